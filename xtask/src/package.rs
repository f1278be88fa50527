//! The Debian package of a host: node with web client, link, client for terminals, units; made with `dpkg-deb` alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::{Paths, process, root, say};
use crate::images::programs::{self, OfHost};
use crate::steps::Failure;

/// What to build.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of the package; default: that of the workspace
    #[arg(long)]
    version: Option<String>,
    /// Of the programs that the tests have built: quick, and for tests alone
    #[arg(long)]
    debug: bool,
    /// Folder for the package; default: `package` in cargo's target folder
    #[arg(long)]
    output: Option<PathBuf>,
}

/// From `packaging/`: where from, where to, mode.
const FILES: &[(&str, &str, u32)] = &[
    (
        "systemd/fastx-node.service",
        "lib/systemd/system/fastx-node.service",
        0o644,
    ),
    (
        "systemd/fastx-link@.service",
        "lib/systemd/system/fastx-link@.service",
        0o644,
    ),
    (
        "systemd/sysusers.conf",
        "usr/lib/sysusers.d/fastx.conf",
        0o644,
    ),
    (
        "systemd/tmpfiles.conf",
        "usr/lib/tmpfiles.d/fastx.conf",
        0o644,
    ),
    (
        "50-fastx-link.rules",
        "usr/share/polkit-1/rules.d/50-fastx-link.rules",
        0o644,
    ),
    (
        "sudoers.example",
        "usr/share/doc/fastx-node/examples/sudoers",
        0o644,
    ),
    (
        "sudo.conf",
        "usr/share/doc/fastx-node/examples/sudo.conf",
        0o644,
    ),
    ("fastx-node.default", "etc/default/fastx-node", 0o644),
    (
        "debian/copyright",
        "usr/share/doc/fastx-node/copyright",
        0o644,
    ),
    ("debian/postinst", "DEBIAN/postinst", 0o755),
    ("debian/prerm", "DEBIAN/prerm", 0o755),
    ("debian/postrm", "DEBIAN/postrm", 0o755),
];

/// Builds the quick one that the tests of hosts install.
pub(crate) fn for_tests() -> Result<(), Failure> {
    run(&Args {
        version: None,
        debug: true,
        output: None,
    })
}

/// Builds the one whose programs are optimised, in a folder where the tests' does not take its place.
pub(crate) fn for_measuring() -> Result<PathBuf, Failure> {
    let output = programs::target()?.join("package-optimised");
    run(&Args {
        version: None,
        debug: false,
        output: Some(output.clone()),
    })?;
    Ok(output)
}

/// Builds the package and says where it is.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let programs = if args.debug {
        programs::of_tests()?
    } else {
        programs::of_host(&Paths::load()?)?
    };
    let output = match &args.output {
        Some(output) => output.clone(),
        None => programs::target()?.join("package"),
    };
    let version = args.version.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
    let arch = text(Command::new("dpkg").arg("--print-architecture"))?;
    let tree = output.join("tree");
    match fs::remove_dir_all(&tree) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
        _ => {}
    }
    fill(&tree, &programs, version)?;
    control(&tree, version, &arch)?;
    let package = output.join(format!("fastx-node_{version}_{arch}.deb"));
    // Programs for tests are large, and good compression of them takes a minute.
    let level = if args.debug {
        ["-Zgzip", "-z1"]
    } else {
        ["-Zxz", "-z6"]
    };
    process::run(
        Command::new("dpkg-deb")
            .arg("--root-owner-group")
            .args(level)
            .arg("--build")
            .args([&tree, &package]),
    )?;
    fs::remove_dir_all(&tree)?;
    say(&format!("{}", package.display()));
    Ok(())
}

/// Everything but the description.
fn fill(tree: &Path, programs: &OfHost, version: &str) -> Result<(), Failure> {
    let from = root().join("packaging");
    for (source, to, mode) in FILES {
        install(&from.join(source), &tree.join(to), *mode)?;
    }
    let own = [
        (&programs.node, "usr/lib/fastx/fastx-node"),
        (&programs.link, "usr/lib/fastx/fastx-link"),
    ];
    let client = programs
        .client
        .iter()
        .map(|from| (from, "usr/bin/fastxctl"));
    for (program, to) in own.into_iter().chain(client) {
        let to = tree.join(to);
        install(program, &to, 0o755)?;
        process::run(Command::new("strip").args(["--strip-unneeded"]).arg(&to))?;
    }
    for name in ["fastx-node", "upload-store", "download-store"] {
        let to = tree.join("usr/bin").join(name);
        folder(&to)?;
        symlink("../lib/fastx/fastx-node", to)?;
    }
    for (page, section) in [("fastx-node.8", "man8"), ("fastx-link.1", "man1")] {
        let to = tree.join("usr/share/man").join(section).join(page);
        install(&from.join("man").join(page), &to, 0o644)?;
        compress(&to)?;
    }
    let changes = tree.join("usr/share/doc/fastx-node/changelog.gz");
    write(
        &changes.with_extension(""),
        &format!("fastx-node {version}\n\n  See the project's history for what has changed.\n"),
    )?;
    compress(&changes.with_extension(""))?;
    write(&tree.join("DEBIAN/conffiles"), "/etc/default/fastx-node\n")
}

fn control(tree: &Path, version: &str, arch: &str) -> Result<(), Failure> {
    let template = fs::read_to_string(root().join("packaging/debian/control.in"))?;
    let size = text(Command::new("du").args(["-sk"]).arg(tree))?;
    let size = size.split_whitespace().next().unwrap_or("0").to_owned();
    // What the node was linked with here is what it needs there, at most.
    let libc = text(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let libc = libc.rsplit(' ').next().unwrap_or("2.31").to_owned();
    let control = template
        .replace("@VERSION@", version)
        .replace("@ARCH@", arch)
        .replace("@SIZE@", &size)
        .replace("@LIBC@", &libc);
    write(&tree.join("DEBIAN/control"), &control)
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<(), Failure> {
    folder(to)?;
    fs::copy(from, to).map_err(|e| format!("{}: {e}", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn write(to: &Path, text: &str) -> Result<(), Failure> {
    folder(to)?;
    fs::write(to, text)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// Makes the folder of a file, readable for all whatever the umask.
fn folder(file: &Path) -> Result<(), Failure> {
    let Some(parent) = file.parent() else {
        return Ok(());
    };
    if parent.is_dir() {
        return Ok(());
    }
    folder(parent)?;
    fs::create_dir(parent)?;
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn compress(file: &Path) -> Result<(), Failure> {
    // Without name and time: the same sources give the same package.
    Ok(process::run(Command::new("gzip").args(["-9n"]).arg(file))?)
}

fn text(command: &mut Command) -> Result<String, Failure> {
    Ok(process::output(command)?.trim().to_owned())
}
