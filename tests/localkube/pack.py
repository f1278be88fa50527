"""Packs folders as image layers, and layers as an OCI image archive. Standard library only.

pack.py layer DIR OUT.tar
pack.py digest LAYER.tar
pack.py unpack ARCHIVE.tar DIR
pack.py image --name=N --output=FILE [--user=U] [--env=K=V]... [--entrypoint=A]... [--cmd=A]... LAYER.tar...

The last one prints the digest of the image's manifest.
"""
import argparse
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import tarfile

CHUNK = 1 << 20


def digest(path):
    """SHA-256 of a file, kept beside it because base layers are large."""
    side = path + ".sha256"
    if os.path.exists(side) and os.path.getmtime(side) >= os.path.getmtime(path):
        with open(side) as f:
            return f.read()
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(CHUNK):
            h.update(chunk)
    with open(side, "w") as f:
        f.write(h.hexdigest())
    return h.hexdigest()


def is_opaque(path):
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


def layer(root, out):
    """Tars root in a stable order. An overlay's upper folder works: its whiteouts
    (character device 0:0) and opaque folders become the .wh. files of the image format."""

    def whiteout(tar, name):
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())

    def own(info):
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        return info

    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder, dirs, files in os.walk(root):
            dirs.sort()
            rel = os.path.relpath(folder, root)
            if rel != "." and is_opaque(folder):
                whiteout(tar, os.path.join(rel, ".wh..wh..opq"))
            for name in sorted(dirs + files):
                path = os.path.join(folder, name)
                arc = os.path.normpath(os.path.join(rel, name))
                st = os.lstat(path)
                if stat.S_ISCHR(st.st_mode) and st.st_rdev == 0:
                    whiteout(tar, os.path.join(os.path.dirname(arc), ".wh." + name))
                elif not stat.S_ISSOCK(st.st_mode):
                    tar.add(path, arc, recursive=False, filter=own)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def unpack(archive, root):
    """Lays an image's layers over each other in a new folder: the files that a container of it begins with."""

    def blob(of):
        return image.extractfile("blobs/" + of["digest"].replace(":", "/"))

    os.mkdir(root)
    with tarfile.open(archive) as image:
        manifest = json.load(blob(json.load(image.extractfile("index.json"))["manifests"][0]))
        for one in manifest["layers"]:
            with tarfile.open(fileobj=blob(one)) as tar:
                # Ours, and meant to hold devices and the files of several users.
                tar.extraction_filter = lambda member, path: member
                for info in tar:
                    folder, name = os.path.split(os.path.join(root, info.name))
                    if name == ".wh..wh..opq":
                        # The first entry of its folder: all that is there is of layers below.
                        for old in os.listdir(folder):
                            remove(os.path.join(folder, old))
                    elif name.startswith(".wh."):
                        remove(os.path.join(folder, name[len(".wh."):]))
                    else:
                        path = os.path.join(folder, name)
                        if not (info.isdir() and os.path.isdir(path) and not os.path.islink(path)):
                            remove(path)
                        tar.extract(info, root, numeric_owner=True)


def image(a):
    config = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] + a.env}
    for key, value in (("User", a.user), ("WorkingDir", a.workdir), ("Entrypoint", a.entrypoint), ("Cmd", a.cmd),
                       ("StopSignal", a.stop_signal)):
        if value:
            config[key] = value
    sums = [digest(p) for p in a.layers]
    blobs = {}

    def blob(data):
        h = hashlib.sha256(data).hexdigest()
        blobs[h] = data
        return {"digest": "sha256:" + h, "size": len(data)}

    def encode(v):
        return json.dumps(v, sort_keys=True).encode()

    cfg = blob(encode({
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + s for s in sums]},
        "history": [{"created_by": "image.sh"} for _ in sums],
    }))
    kind = "application/vnd.oci.image."
    manifest = blob(encode({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **cfg},
        "layers": [{"mediaType": kind + "layer.v1.tar", "digest": "sha256:" + s, "size": os.path.getsize(p)}
                   for s, p in zip(sums, a.layers)],
    }))
    index = encode({"schemaVersion": 2, "mediaType": kind + "index.v1+json", "manifests": [
        {"mediaType": kind + "manifest.v1+json", **manifest,
         "annotations": {"io.containerd.image.name": a.name, "org.opencontainers.image.ref.name": a.name.rsplit(":", 1)[-1]}}]})
    temp = a.output + ".tmp"
    with tarfile.open(temp, "w", format=tarfile.PAX_FORMAT) as tar:
        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        put("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
        put("index.json", index)
        for h, data in blobs.items():
            put("blobs/sha256/" + h, data)
        for s, p in zip(sums, a.layers):
            info = tarfile.TarInfo("blobs/sha256/" + s)
            info.size = os.path.getsize(p)
            with open(p, "rb") as f:
                tar.addfile(info, f)
    os.replace(temp, a.output)
    print(manifest["digest"])


def main():
    if sys.argv[1] == "layer":
        return layer(*sys.argv[2:4])
    if sys.argv[1] == "digest":
        return print(digest(sys.argv[2]))
    if sys.argv[1] == "unpack":
        return unpack(*sys.argv[2:4])
    p = argparse.ArgumentParser()
    p.add_argument("action")
    p.add_argument("--name", required=True)
    p.add_argument("--output", required=True)
    p.add_argument("--user")
    p.add_argument("--workdir")
    p.add_argument("--stop-signal")
    for o in ("--env", "--entrypoint", "--cmd"):
        p.add_argument(o, action="append", default=[])
    p.add_argument("layers", nargs="+")
    image(p.parse_args())


if __name__ == "__main__":
    main()
