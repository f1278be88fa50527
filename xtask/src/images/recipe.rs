//! What goes into each image, as arguments of `tests/localkube/image.sh`.

use std::path::Path;

use super::{Image, ImagesError, programs};
use crate::cluster::Paths;

/// Uid and gid of everything that is not a person's desktop.
const SERVICE_USER: &str = "65532:65532";
/// Uid and gid of PostgreSQL in the store; FerretDB's is set in its pod.
const STORE_USER: &str = "10001:10001";
const DESKTOP_USER: &str = "1000:1000";

/// An image in terms of the builder.
#[derive(Debug, Default)]
pub(super) struct Recipe {
    /// Programs of `build.sh` that go in.
    pub(super) needs: Vec<&'static str>,
    options: Vec<(&'static str, String)>,
}

impl Recipe {
    /// The recipe; programs of this workspace are built on the way.
    pub(super) fn of(image: Image, paths: &Paths) -> Result<Self, ImagesError> {
        let folder = image.folder();
        match image {
            Image::Fastx => Ok(Self::default()
                .tree(&programs::stage(&folder, paths)?)
                .option("--dir", "/tmp:1777")
                .user(SERVICE_USER)),
            Image::FastxDesktop => Self::desktop(&folder),
            Image::Nats => Ok(Self::default()
                .tree(&folder.join("rootfs"))
                .program("nats-server", paths, "/usr/bin")
                .option("--dir", "/tmp:1777")
                .user(SERVICE_USER)),
            Image::Redis => Ok(Self::default()
                .option("--suite", "trixie")
                .packages(&read(&folder.join("packages"))?)
                .user(SERVICE_USER)),
            Image::FastxStore => Self::store(&folder, paths),
        }
    }

    fn desktop(folder: &Path) -> Result<Self, ImagesError> {
        Ok(Self::default()
            .option("--suite", "trixie")
            .packages(&read(&folder.join("packages"))?)
            .option("--run", read(&folder.join("prepare"))?)
            .tree(&folder.join("rootfs"))
            .option("--dir", "/home/user:700:1000")
            .option("--env", "LANG=C.UTF-8")
            .option("--workdir", "/home/user")
            .user(DESKTOP_USER))
    }

    fn store(folder: &Path, paths: &Paths) -> Result<Self, ImagesError> {
        Ok(Self::default()
            .option("--suite", "forky")
            .packages(&read(&folder.join("packages"))?)
            .option("--run", read(&folder.join("slim"))?)
            .tree(&folder.join("rootfs"))
            .program("ferretdb", paths, "/usr/local/bin")
            .option("--dir", "/data")
            .option("--dir", "/run/store")
            .option(
                "--env",
                "PATH=/usr/lib/postgresql/18/bin:/usr/local/bin:/usr/bin:/bin",
            )
            .option("--env", "LC_ALL=C.UTF-8")
            .option("--stop-signal", "SIGINT")
            .user(STORE_USER))
    }

    fn option(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.options.push((name, value.into()));
        self
    }

    fn packages(self, list: &str) -> Self {
        list.split_whitespace()
            .fold(self, |recipe, package| recipe.option("--package", package))
    }

    fn tree(self, folder: &Path) -> Self {
        self.option("--tree", folder.display().to_string())
    }

    fn user(self, user: &str) -> Self {
        self.option("--user", user)
    }

    fn program(mut self, name: &'static str, paths: &Paths, folder: &str) -> Self {
        self.needs.push(name);
        self.option(
            "--file",
            format!("{}:{folder}/{name}:755", paths.bin(name).display()),
        )
    }

    /// The builder's command line, without the image's name.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.options
            .iter()
            .flat_map(|(name, value)| [*name, value.as_str()])
    }
}

fn read(path: &Path) -> Result<String, ImagesError> {
    std::fs::read_to_string(path).map_err(|source| ImagesError::Read {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_an_argument_list() {
        let recipe = Recipe::default()
            .option("--suite", "trixie")
            .packages("a\nb\n")
            .user(SERVICE_USER);
        let arguments: Vec<&str> = recipe.arguments().collect();
        assert_eq!(
            arguments,
            [
                "--suite",
                "trixie",
                "--package",
                "a",
                "--package",
                "b",
                "--user",
                "65532:65532"
            ]
        );
    }
}
