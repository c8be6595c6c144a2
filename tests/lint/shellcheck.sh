#!/bin/bash
# SPDX-License-Identifier: MIT
# Shell scripts are without findings.  SC1091 (a sourced file that is not
# followed) is off: each file is checked by itself.
set -u
here=$(dirname "$(readlink -f "$0")")

"$here/list.sh" sh | xargs -r -d '\n' shellcheck -f gcc -e SC1091
