#!/usr/bin/env bash
# Install the harness for an action: install.sh SOURCE
#
# VERSION  a version of the package; empty: SOURCE, the tree of the action; none: it is installed already
# EXTRAS   extras of the package, separated by commas
set -euo pipefail

extras=${EXTRAS:+[$EXTRAS]}
case ${VERSION:-} in
  none) ;;
  "") python -m pip install --quiet --disable-pip-version-check "$1$extras" ;;
  *) python -m pip install --quiet --disable-pip-version-check "remote-sensing-harness$extras==$VERSION" ;;
esac
harness --version
