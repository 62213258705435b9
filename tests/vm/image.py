"""What the virtual machine boots: a Debian kernel out of the archive, and an initramfs with the program in it."""

import lzma
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# 8250, its PCI cards and the console are built into Debian's kernel.
MODULES = ["e1000", "xhci_pci", "usbserial", "ftdi_sio"]


def prepare(cache):
    """The folder with `vmlinux`, `busybox` and `modules`, made once. Needs no root."""
    made = Path(cache) / f"linux-{SUITE}"
    if made.exists():
        return made
    print(f"tests/vm: a kernel and busybox from Debian {SUITE}", flush=True)
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        work = Path(work)
        apt = private_apt(work)
        kernel = newest_kernel(apt)
        root = work / "root"
        for package in (kernel, "busybox-static"):
            subprocess.run(
                [*apt("apt-get"), "-q", "download", package], cwd=work, check=True, stdout=subprocess.DEVNULL
            )
        for package in work.glob("*.deb"):
            # Unpacked and not installed: no maintainer script runs.
            subprocess.run(["dpkg-deb", "--extract", package, root], check=True)
        making = work / "made"
        making.mkdir()
        release = next((root / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        (making / "vmlinux").write_bytes(unpacked((root / "boot" / f"vmlinuz-{release}").read_bytes()))
        busybox = next(path for path in (root / "bin/busybox", root / "usr/bin/busybox") if path.exists())
        shutil.copy(busybox, making / "busybox")
        collect_modules(root, release, making / "modules")
        making.rename(made)
    return made


def private_apt(folder):
    """apt-get with lists and sources of its own, so that neither root nor the machine's own suite matters."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
    options = {
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": folder / "lists",
        "Dir::State::Status": folder / "status",
    }
    arguments = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]

    def apt(program):
        return [program, *arguments]

    subprocess.run([*apt("apt-get"), "-q", "update"], check=True, stdout=subprocess.DEVNULL)
    return apt


def mirror():
    """The mirror that this machine's own apt has, if it has one of Debian."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"],
        capture_output=True,
        text=True,
    ).stdout.split()
    return next((uri for uri in listed if "security" not in uri), "http://deb.debian.org/debian")


def newest_kernel(apt):
    """The package that linux-image-amd64 stands for."""
    said = subprocess.run(
        [*apt("apt-cache"), "depends", "linux-image-amd64"], capture_output=True, text=True, check=True
    ).stdout
    return next(line.split()[1] for line in said.splitlines() if "Depends: linux-image-" in line)


def unpacked(image):
    """The ELF in a bzImage (Documentation/arch/x86/boot.rst). QEMU starts it at once; unpacking it itself, under
    emulation, takes the kernel longer than the rest of the boot."""
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    payload = image[(setup_sectors + 1) * 512 + offset :][:length]
    if not payload.startswith(b"\xfd7zXZ\0"):
        return image
    # The length of the result stands behind it.
    return lzma.LZMADecompressor().decompress(payload)


def collect_modules(root, release, into):
    """Copies the modules, and writes the order in which they are to be loaded."""
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")
    subprocess.run(["depmod", "-b", root, release], check=True)
    into.mkdir()
    order = []
    for name in MODULES:
        said = subprocess.run(
            ["modprobe", "-d", root, "-S", release, "--show-depends", name], capture_output=True, text=True, check=True
        ).stdout
        for path in (Path(line.split()[1]) for line in said.splitlines() if line.startswith("insmod ")):
            data = path.read_bytes()
            if path.suffix == ".xz":
                data, path = lzma.decompress(data), path.with_suffix("")
            if path.name not in order:
                order.append(path.name)
                (into / path.name).write_bytes(data)
    (into / "order").write_text("".join(f"{name}\n" for name in order))


def initramfs(linux, program, file, work):
    """Packs the guest's userland and `program`, with the libraries that it needs, into `file`."""
    tree = Path(work) / "initramfs"
    (tree / "bin").mkdir(parents=True)
    shutil.copy(linux / "busybox", tree / "bin")
    shutil.copytree(linux / "modules", tree / "modules")
    for script in (HERE / "guest").iterdir():
        shutil.copy(script, tree / ("init" if script.name == "init" else f"bin/{script.name}"))
    shutil.copy(program, tree / "bin/sermux")
    # Ten times smaller, which the boot feels.
    subprocess.run(["strip", tree / "bin/sermux"], check=True)
    for library in libraries(program):
        copy = tree / library.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, copy)
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    with open(file, "wb") as out:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input="\n".join(names), text=True, stdout=out, check=True
        )


def libraries(program):
    """The shared libraries of a program, with the loader; none of a static one."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    words = (word for line in said.splitlines() for word in line.split())
    return [word for word in words if word.startswith("/") and os.path.exists(word)]


if __name__ == "__main__":
    prepare(sys.argv[1])
