#!/usr/bin/env bash
# Unpacks openai-python's own tests, of the version that is installed (else the newest), and what they
# need beside ours into a new folder, for tests/web/api/test_openai_own.py:
#     tests/openai_python.sh FOLDER && LIGHTNING_OPENAI_TESTS=FOLDER python -m pytest …
set -euo pipefail

folder=$1
version=$(python -c "import openai; print('==' + openai.__version__)" 2>/dev/null || true)
mkdir "$folder"
pip download --quiet --no-deps --no-binary openai --dest "$folder" "openai$version"
tar --extract --file "$folder"/openai-*.tar.gz --directory "$folder" --strip-components 1
pip install --quiet --target "$folder/packages" pytest-asyncio httpx-aiohttp
