#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""furnish: what the image's tree needs beside the program, found by looking at the program.

Copies the loader and the shared objects that the program asks for, and what those ask for; then
writes the papers: who made what is inside, under which licence, and the same for machines.
`cmake --install` calls it; see tools/install.cmake.
"""

import argparse
import pathlib
import re
import shutil

import papers
from subprocess import run

PROGRAM = "usr/bin/weir"
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# Where OpenSSL looks for certificates when it is told nothing.
CA_BUNDLE_OF_OPENSSL = "usr/lib/ssl/cert.pem"


def read_elf(readelf, path):
    """(interpreter or None, names of the shared objects it needs)."""
    text = run([readelf, "-ldW", str(path)], check=True, capture_output=True, text=True).stdout
    loader = re.search(r"program interpreter: ([^\]]+)\]", text)
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", text)
    return loader.group(1) if loader else None, needed


def find(name, multiarch):
    for folder in (f"/usr/lib/{multiarch}", f"/lib/{multiarch}", "/usr/lib", "/lib"):
        path = pathlib.Path(folder, name)
        if path.exists():
            return path
    raise SystemExit(f"furnish: {name} is needed and not here")


def copy(source, root, target):
    place = root / target.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source.resolve(), place)
    place.chmod(0o755)


def copy_shared_objects(root, readelf, multiarch):
    """Gives {path in the tree: path it came from}."""
    loader, waiting = read_elf(readelf, root / PROGRAM)
    copied = {loader: pathlib.Path(loader)}
    while waiting:
        name = waiting.pop()
        target = f"/lib/{multiarch}/{name}"
        if target in copied or name == pathlib.Path(loader).name:
            continue
        copied[target] = find(name, multiarch)
        waiting += read_elf(readelf, copied[target])[1]
    for target, source in copied.items():
        copy(source, root, target)
    return copied


def archives(map_path, build):
    """The archives and start files that members were taken from, as the linker's map tells."""
    found = set()
    is_members = True
    for line in map_path.read_text(errors="replace").splitlines():
        # Afterwards come lines that name every archive, used or not.
        is_members = is_members and not line.startswith(("Discarded", "Memory Configuration"))
        match = re.match(r"(/\S+\.a)\(" if is_members else r"LOAD (/\S+\.o)$", line)
        if match:
            found.add(pathlib.Path(match.group(1)).resolve())
    return sorted(path for path in found if path.exists() and build not in path.parents)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("root", "map", "build"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    for name in ("version", "readelf", "multiarch"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()

    shared = copy_shared_objects(args.root, args.readelf, args.multiarch)
    link = args.root / CA_BUNDLE_OF_OPENSSL
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to("/" + CA_BUNDLE)

    parts = papers.find_parts(
        linked=archives(args.map, args.build.resolve()),
        shared={target: source.resolve() for target, source in shared.items()},
        data={"/" + CA_BUNDLE: "ca-certificates"})
    folder = args.root / "usr/share/doc/weir"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "NOTICE").write_text(papers.notice(parts))
    (folder / "sbom.cdx.json").write_text(
        papers.bill_of_materials(parts, args.version, args.root, PROGRAM))


if __name__ == "__main__":
    main()
