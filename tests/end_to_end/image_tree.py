# SPDX-License-Identifier: Apache-2.0
"""The image's tree: laid out, listed, and entered as a container runtime enters it."""

import dataclasses
import functools
import gzip
import io
import os
import pathlib
import shutil
import stat
import subprocess
import tarfile

REPOSITORY = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_IMAGE_BUILD") or REPOSITORY / ".build/image")
USER = 4317
CHROOT = shutil.which("chroot", path="/usr/sbin:/usr/bin:/sbin:/bin")
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# What a runtime puts in place by itself, read-only root or not.
MOUNT_POINTS = ("proc", "dev", "tmp")


@dataclasses.dataclass(frozen=True)
class Entry:
    path: str
    mode: int
    size: int
    link: str  # empty for none


def lay_out(tree):
    """Installs the build of the `image` preset."""
    subprocess.run(["cmake", "--install", str(BUILD), "--strip"], check=True, capture_output=True,
                   env={**os.environ, "DESTDIR": str(tree)})


def entries(tree):
    """Everything but folders, by path."""
    found = []
    for folder, _, names in os.walk(tree):
        for name in names:
            path = pathlib.Path(folder, name)
            info = path.lstat()
            link = os.readlink(path) if path.is_symlink() else ""
            found.append(Entry(str(path.relative_to(tree)), stat.S_IMODE(info.st_mode),
                               info.st_size, link))
    return sorted(found, key=lambda one: one.path)


@functools.cache
def compressed_bytes(tree):
    """As a registry keeps it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(tree, ".")
    return len(gzip.compress(packed.getvalue(), 6))


def listing(tree):
    lines = [f"{one.size:>9}  /{one.path}" + (f" -> {one.link}" if one.link else "")
             for one in entries(tree)]
    return "\n".join(lines + [f"{compressed_bytes(tree):>9}  compressed"]) + "\n"


def prepare_root(root, ca_bundle):
    """What a runtime adds to a tree before it makes it read-only; needs a mount namespace.

    ca_bundle takes the place of the image's own: nobody signs for the names of a test.
    """
    for name in MOUNT_POINTS:
        (root / name).mkdir()
    (root / "dev/null").touch()
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    mount("--bind", root, root)
    mount("--bind", ca_bundle, root / CA_BUNDLE)
    mount("-t", "proc", "proc", root / "proc")
    mount("--bind", "/dev/null", root / "dev/null")
    mount("-o", "remount,bind,ro", root)


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def inside(root, *command):
    """A command in the tree alone, as the image's user."""
    return [CHROOT, f"--userspec={USER}:{USER}", str(root), *command]
