# SPDX-License-Identifier: Apache-2.0
"""papers: NOTICE for people and a CycloneDX bill of materials for machines.

Both say what is inside the image besides weir: which Debian packages lent a file, linked into the
program or beside it, with their versions, sources and licences. dpkg is asked, nothing is assumed.
The same packages give the same papers, byte for byte.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import urllib.parse
import uuid

COMMON_LICENCES = pathlib.Path("/usr/share/common-licenses")
FIELDS = ("Package", "Architecture", "Version", "source:Package", "source:Version", "Homepage")


class Part:
    """One Debian package of which something is inside."""

    def __init__(self, fields):
        self.name, self.arch, self.version, self.source, self.source_version, self.home = fields
        self.copyright = read_copyright(self.name)
        self.linked = []  # archives that are inside the program
        self.files = []  # paths in the tree

    @property
    def licences(self):
        """Short names, where the package tells its copyright in the machine-readable way."""
        if not self.copyright.startswith("Format:"):
            return [f"see NOTICE, {self.source}"]
        names = re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", self.copyright, flags=re.M)
        return sorted(set(names)) or [f"see NOTICE, {self.source}"]

    @property
    def url(self):
        """Its package URL."""
        version = urllib.parse.quote(self.version, safe=".-~")
        return f"pkg:deb/debian/{self.name}@{version}?arch={self.arch}&distro={distribution()}"


def read_copyright(package):
    path = pathlib.Path("/usr/share/doc", package, "copyright")
    if not path.exists():
        raise SystemExit(f"papers: {package} has no copyright file")
    return path.read_text(errors="replace")


def distribution():
    text = pathlib.Path("/etc/os-release").read_text()
    found = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$', text, flags=re.M))
    return f"{found['ID']}-{found['VERSION_ID']}"


def owner(path):
    """The package that brought a file, as dpkg calls it."""
    names = [str(path)]
    if names[0].startswith("/usr/"):
        names.append(names[0][len("/usr"):])  # the same file where /lib is a link
    answer = subprocess.run(["dpkg-query", "-S", *names], check=False, capture_output=True,
                            text=True).stdout
    if not answer:
        raise SystemExit(f"papers: no package owns {path}")
    return answer.splitlines()[0].rpartition(": ")[0].split(", ")[0]


def look_up(package):
    form = "\\t".join("${%s}" % field for field in FIELDS)
    answer = subprocess.run(["dpkg-query", "-W", "-f", form, package], check=True,
                            capture_output=True, text=True).stdout
    return Part(answer.split("\t"))


def find_parts(linked, shared, data):
    """linked: archives; shared: {path in the tree: its origin}; data: {path in the tree: package}.

    Gives the parts, sorted by name.
    """
    parts = {}

    def part(package):
        if package not in parts:
            parts[package] = look_up(package)
        return parts[package]

    for path in linked:
        part(owner(path)).linked.append(path.name)
    for target, source in shared.items():
        part(owner(source)).files.append(target)
    for target, package in data.items():
        part(package).files.append(target)
    return sorted(parts.values(), key=lambda one: one.name)


def what_of(part):
    how = [f"{name} (linked in)" for name in sorted(set(part.linked))]
    return ", ".join(how + sorted(part.files))


def notice(parts):
    """Who made what, then every copyright file whole, then the licences those refer to."""
    lines = [
        "weir is licensed under the Apache License 2.0, see LICENSE.",
        "",
        "This image also contains work of others, as Debian distributes it. Their copyrights and",
        "licences follow, complete. Libraries under the LGPL that are linked in can be replaced:",
        "weir's sources, with tools/deploy/image/build, make this image from Debian's archives.",
        "",
    ]
    for one in parts:
        lines.append(f"{one.name} {one.version} (source: {one.source} {one.source_version})")
        lines.append(f"    {what_of(one)}")
    common = set()
    seen = set()
    for one in parts:
        if one.copyright in seen:
            continue
        seen.add(one.copyright)
        common |= set(re.findall(r"common-licenses/([\w.+-]*\w)", one.copyright))
        lines += ["", "=" * 80, f"{one.source} {one.source_version}", "=" * 80, "",
                  one.copyright.rstrip()]
    for name in sorted(common):
        path = COMMON_LICENCES / name
        if path.exists():
            lines += ["", "=" * 80, f"Common licence: {name}", "=" * 80, "",
                      path.read_text(errors="replace").rstrip()]
    return "\n".join(lines) + "\n"


def sha256(path):
    return [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]


def component(part, root):
    properties = [{"name": "weir:linked", "value": name} for name in sorted(set(part.linked))]
    made = {
        "type": "library" if part.linked or any(".so" in name for name in part.files) else "data",
        "bom-ref": part.url,
        "name": part.name,
        "version": part.version,
        "purl": part.url,
        "licenses": [{"license": {"name": name}} for name in part.licences],
        "properties": properties + [
            {"name": "weir:source", "value": f"{part.source} {part.source_version}"}],
    }
    if part.home:
        made["externalReferences"] = [{"type": "website", "url": part.home}]
    if part.files:
        made["components"] = [
            {"type": "file", "bom-ref": name, "name": name, "hashes": sha256(root / name[1:])}
            for name in sorted(part.files)]
    return made


def bill_of_materials(parts, version, root, program):
    """CycloneDX 1.5; the serial number follows from the content."""
    weir = {
        "type": "application",
        "bom-ref": "weir",
        "name": "weir",
        "version": version,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "hashes": sha256(root / program),
    }
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": weir},
        "components": [component(one, root) for one in parts],
        "dependencies": [{"ref": "weir", "dependsOn": [one.url for one in parts]}],
    }
    number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(bill, sort_keys=True))
    return json.dumps({"serialNumber": f"urn:uuid:{number}", **bill}, indent=1) + "\n"
