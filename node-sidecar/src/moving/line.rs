//! The command line of `upload-store` and `download-store`, in the spellings that people copy.

use std::path::PathBuf;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Folder to cluster.
    Upload,
    /// Cluster to folder.
    Download,
}

impl Direction {
    /// By the name of the program, with or without `.js`.
    pub fn of(program: &str) -> Option<Self> {
        let name = program.rsplit('/').next().unwrap_or_default();
        match name.trim_end_matches(".js") {
            "upload-store" => Some(Self::Upload),
            "download-store" => Some(Self::Download),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload-store",
            Self::Download => "download-store",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Which way.
    pub direction: Direction,
    /// `broker.json` of the cluster.
    pub broker: PathBuf,
    /// Folder of the installation that is alone.
    pub dir: PathBuf,
    /// Only say what would change.
    pub dry_run: bool,
}

impl Order {
    /// Name of the program.
    pub fn name(&self) -> &'static str {
        self.direction.name()
    }

    /// Reads the arguments; the refusal is for people.
    pub fn read(direction: Direction, words: &[String]) -> Result<Self, String> {
        let usage = |reason: &str| {
            let name = direction.name();
            format!(
                "{name}: {reason}\nusage: {name} config --bjf BROKER.JSON --dir FOLDER [--dry-run]\n"
            )
        };
        let (mut group, mut broker, mut dir, mut dry_run) = (None, None, None, false);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = option(word) else {
                if group.replace(word.clone()).is_some() {
                    return Err(usage(&format!("`{word}` is one word too many")));
                }
                continue;
            };
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            let mut value = || {
                let value = value.clone().or_else(|| words.next().cloned());
                value.ok_or_else(|| usage(&format!("`{word}` needs a value")))
            };
            match name {
                "bjf" => broker = Some(PathBuf::from(value()?)),
                "dir" => dir = Some(PathBuf::from(value()?)),
                "dry-run" => dry_run = true,
                _ => return Err(usage(&format!("there is no option `{word}`"))),
            }
        }
        match group.as_deref() {
            Some("config") => {}
            Some(other) => {
                return Err(usage(&format!(
                    "there is no group `{other}`; the one group is `config`"
                )));
            }
            None => return Err(usage("the group `config` is missing")),
        }
        Ok(Self {
            direction,
            broker: broker.ok_or_else(|| usage("`--bjf` is missing"))?,
            dir: dir.ok_or_else(|| usage("`--dir` is missing"))?,
            dry_run,
        })
    }
}

/// The word behind the dashes, if there are any: one, two, or the long one that word processors make of them.
fn option(word: &str) -> Option<&str> {
    let stripped = word.trim_start_matches(['-', '\u{2013}', '\u{2014}']);
    (stripped.len() < word.len()).then_some(stripped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Order, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Order::read(Direction::Upload, &words)
    }

    #[test]
    fn all_spellings_mean_the_same() {
        let expected = Order {
            direction: Direction::Upload,
            broker: "/etc/fastx/broker.json".into(),
            dir: "/var/store".into(),
            dry_run: false,
        };
        for line in [
            "config --bjf /etc/fastx/broker.json --dir /var/store",
            "config -bjf /etc/fastx/broker.json -dir /var/store",
            "config \u{2013}bjf /etc/fastx/broker.json \u{2013}dir /var/store",
            "--dir=/var/store config --bjf=/etc/fastx/broker.json",
        ] {
            assert_eq!(read(line), Ok(expected.clone()), "{line}");
        }
        assert!(read("config --bjf b --dir d --dry-run").unwrap().dry_run);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, reason) in [
            ("--bjf b --dir d", "`config` is missing"),
            ("users --bjf b --dir d", "no group `users`"),
            ("config --dir d", "`--bjf` is missing"),
            ("config --bjf b", "`--dir` is missing"),
            ("config --bjf b --dir", "needs a value"),
            ("config --force", "no option `--force`"),
            ("config more", "one word too many"),
        ] {
            let refusal = read(line).unwrap_err();
            assert!(refusal.contains(reason), "{refusal}");
            assert!(refusal.contains("usage: upload-store"), "{refusal}");
        }
    }

    #[test]
    fn the_name_of_the_program_says_which_way() {
        assert_eq!(
            Direction::of("/usr/bin/upload-store"),
            Some(Direction::Upload)
        );
        assert_eq!(
            Direction::of("download-store.js"),
            Some(Direction::Download)
        );
        assert_eq!(Direction::of("/usr/bin/fastx-node"), None);
    }
}
