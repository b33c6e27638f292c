# Prints how many lines of code there are: neither blank nor only a comment.
# -v mark=… is what opens a comment in this language.
{ sub(/\r$/, "") }
$0 == "\n" { next }
index($1, mark) == 1 { next }
{ code++ }
END { print code + 0 }
