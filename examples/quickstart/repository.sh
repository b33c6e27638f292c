# Read by every script of this folder: which repository is audited, where results go, and how a table holds any file name.
# It knows nothing of what is measured.
#
# AUDIT_ROOT names another folder to audit. AUDIT_OUT names another folder for the results; it must be `audit` or lie in it.
# shellcheck shell=sh

LC_ALL=C
GIT_OPTIONAL_LOCKS=0
export LC_ALL GIT_OPTIONAL_LOCKS
unset CDPATH GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_COMMON_DIR GIT_OBJECT_DIRECTORY GIT_PREFIX

say() { printf '%s\n' "$*" >&2; }
# counted 1 file: 1 file. counted 2 file: 2 files.
counted() { if [ "$1" -eq 1 ]; then echo "1 $2"; else echo "$1 $2s"; fi; }

here=$(pwd -P)

# Results: nothing is ever written outside of ./audit, not even by way of a symbolic link.
case ${AUDIT_OUT:=audit} in
    audit | audit/*) ;;
    *) say "AUDIT_OUT must lie in audit/, and '$AUDIT_OUT' does not"; exit 2 ;;
esac
case $AUDIT_OUT/ in
    */../*) say "AUDIT_OUT must not contain '..'"; exit 2 ;;
esac
if [ -L audit ]; then say "audit is a symbolic link; remove it first"; exit 2; fi
audit=$here/$AUDIT_OUT
mkdir -p -- "$audit"

# Half a table must never be seen under its name: write it here, then move it.
scratch=$audit/.scratch.$$
rm -rf -- "$scratch"
mkdir -- "$scratch"
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
publish() { for table in "$@"; do mv -f -- "$scratch/$table" "$audit/$table"; done; }

# The repository: the one that holds this folder. A copy of it inside of somebody else's repository is not that repository.
top_of() { git -C "$1" -c core.fsmonitor=false rev-parse --show-toplevel 2>/dev/null || :; }
if [ -n "${AUDIT_ROOT:-}" ]; then
    root=$(cd -- "$AUDIT_ROOT" && pwd -P)
else
    root=$(cd ../.. && pwd -P)
    top=$(top_of .)
    if [ -n "$top" ] && git -c core.fsmonitor=false ls-files --error-unmatch plan.toml >/dev/null 2>&1; then
        root=$(cd -- "$top" && pwd -P)
    fi
fi
top=$(top_of "$root")
# shellcheck disable=SC2034 # for whoever reads this file
if [ -n "$top" ] && [ "$(cd -- "$top" && pwd -P)" = "$root" ]; then tracked=yes; else tracked=no; fi
repository() { git --no-pager -C "$root" -c core.fsmonitor=false -c color.ui=false -c log.showSignature=false "$@"; }

# Tables are lines of fields between tabs, under one line of headings. A file name may hold both, so it stands in them
# with \001 for a newline and \002 for a tab.
to_table() { tr '\n\t\000' '\001\002\n'; }
to_names() { tr '\n\001\002' '\000\n\t'; }

# Passes on the names, NUL-ended, that are plain files and can be read: a repository may change while it is audited.
only_readable() {
    # shellcheck disable=SC2016 # the inner shell expands these
    (cd -- "$root" && xargs -0 sh -c 'for f do if [ -f "$f" ] && [ ! -L "$f" ] && [ -r "$f" ]; then printf "%s\000" "$f"; fi; done' sh)
}

# files kind text, files language Rust: the names of files.tsv of that kind, NUL-ended and with ./ in front,
# so that none reads as an option or as an assignment of awk. Commands that take them run in $root.
files() {
    awk -F '\t' -v heading="$1" -v wanted="$2" '
        FNR == 1 { for (i = 1; i <= NF; i++) if ($i == heading) column = i; next }
        $column == wanted { print "./" $NF }' "$audit/files.tsv" | to_names | only_readable
}
