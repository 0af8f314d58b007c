#!/usr/bin/env bash
# Fuzzes every fuzz target of the module, one after the other.
# Usage: fuzz.sh TIME-EACH (such as 20s)
set -euo pipefail

each=$1
go=${GO:-go}

"$go" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... |
	while read -r package; do
		# `go test -list` builds and runs the test binary: only where it pays.
		dir=$("$go" list -f '{{.Dir}}' "$package")
		grep -qs '^func Fuzz' "$dir"/*_test.go || continue
		for target in $("$go" test -list '^Fuzz' "$package" | grep '^Fuzz'); do
			echo "== $package $target"
			"$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "$package"
		done
	done
