#!/bin/sh
# Adds an index for each column that the page sorts or searches by.
set -eu
for column in day guest; do
    grep -q "^CREATE TABLE entry (.*[ (]$column " out/guestbook.sql
    echo "CREATE INDEX entry_$column ON entry ($column);"
done >out/.indexes.$$
mv -f out/.indexes.$$ out/indexes.sql
