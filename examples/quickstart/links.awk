# Prints the relative links of Markdown files: file TAB line TAB target as written TAB path from the root ("" when it leaves the root).
# Links in code, links to other sites and links inside of the same page are not looked at.

FNR == 1 {
    file = substr(FILENAME, 3); gsub(/\n/, "\001", file); gsub(/\t/, "\002", file)
    folder = file; if (!sub(/\/[^\/]*$/, "", folder)) folder = ""
    fence = ""; comment = 0
}

{
    text = $0; sub(/\r$/, "", text)
    bare = text; sub(/^[ \t>]*/, "", bare)
    if (fence != "") { if (index(bare, fence) == 1) fence = ""; next }
    if (bare ~ /^(```|~~~)/) { fence = substr(bare, 1, 3); next }

    if (comment) { if (!index(text, "-->")) next; sub(/^.*-->/, "", text); comment = 0 }
    gsub(/``[^`]+``/, "", text); gsub(/`[^`]*`/, "", text)
    gsub(/<!--[^>]*-->/, "", text)
    if (index(text, "<!--")) { comment = 1; sub(/<!--.*$/, "", text) }

    rest = text
    while (match(rest, /\]\([^()]*(\([^()]*\)[^()]*)*\)/)) {
        link = substr(rest, RSTART + 2, RLENGTH - 3); rest = substr(rest, RSTART + RLENGTH); look(link)
    }
    rest = text
    while (match(rest, /(href|src)="[^"]*"/)) {
        link = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
        sub(/^[a-z]*="/, "", link); sub(/"$/, "", link); look(link)
    }
    if (match(text, /^ *\[[^]^][^]]*\]:[ \t]*/)) look(substr(text, RLENGTH + 1))
}

function look(link,    written, path, parts, kept, n, i, depth) {
    sub(/^[ \t]+/, "", link)
    if (link ~ /^</) { sub(/^</, "", link); sub(/>.*$/, "", link) } else sub(/[ \t].*$/, "", link)
    written = link; gsub(/\t/, "\002", written)
    sub(/[#?].*$/, "", link)
    if (link == "" || link ~ /^[A-Za-z][A-Za-z0-9+.-]*:/ || link ~ /^\/\//) return
    link = decoded(link)
    if (link ~ /^\//) path = link; else path = folder "/" link
    n = split(path, parts, "/"); depth = 0
    for (i = 1; i <= n; i++) {
        if (parts[i] == "" || parts[i] == ".") continue
        if (parts[i] != "..") kept[++depth] = parts[i]
        else if (--depth < 0) { print file "\t" FNR "\t" written "\t"; return }
    }
    path = "."
    for (i = 1; i <= depth; i++) path = path "/" kept[i]
    print file "\t" FNR "\t" written "\t" path
}

function decoded(link,    plain, code) {
    plain = ""; gsub(/\\/, "", link)
    while (match(link, /%[0-9A-Fa-f][0-9A-Fa-f]/)) {
        code = 16 * hex(substr(link, RSTART + 1, 1)) + hex(substr(link, RSTART + 2, 1))
        if (code == 10) code = 1; if (code == 9) code = 2
        plain = plain substr(link, 1, RSTART - 1) (code == 0 ? "%00" : sprintf("%c", code))
        link = substr(link, RSTART + RLENGTH)
    }
    return plain link
}

function hex(digit) { return index("0123456789abcdef", tolower(digit)) - 1 }
