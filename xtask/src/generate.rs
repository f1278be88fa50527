//! `cargo xtask generate`: everything that is made from the resource types and the charts.
//!
//! The types in `crds/` are the one source; what is written here is committed, so that people can read
//! it and apply it without this program, and `--check` keeps it current.

mod api;
mod manifest;

use std::path::{Path, PathBuf};
use std::{fs, io};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use thiserror::Error;

use crate::cluster::{self, ClusterError, ProcessError, say};

/// Why nothing, or not everything, was generated.
#[derive(Debug, Error)]
pub(crate) enum GenerateError {
    /// The scripts did not say where the cache is.
    #[error("could not find the cache of programs")]
    Cache(#[from] ClusterError),
    /// There is no helm.
    #[error(
        "helm is neither in the cache nor in PATH; build it with tests/localkube/build.sh helm, or install Helm 3.17 or later"
    )]
    NoHelm,
    /// Helm did not render a chart.
    #[error("helm could not render charts/{chart}")]
    Helm {
        /// The chart.
        chart: &'static str,
        /// What helm said.
        source: ProcessError,
    },
    /// A definition is not what the generator understands.
    #[error("the definition of {name} could not be written as YAML")]
    Yaml {
        /// Name of the definition.
        name: String,
        /// What was wrong.
        source: serde_yaml_ng::Error,
    },
    /// A file could not be read or written.
    #[error("could not {verb} {path}")]
    File {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Committed files are not what would be generated.
    #[error("not current; run `cargo xtask generate` and commit the result:\n  {}", .0.join("\n  "))]
    Stale(Vec<String>),
}

/// A file as it should be.
struct File {
    path: PathBuf,
    text: String,
}

/// Writes all generated files, or with `check` says which committed ones differ.
pub(crate) fn run(check: bool) -> Result<(), GenerateError> {
    let definitions = fastx_crds::all();
    let mut stale = Vec::new();
    for file in definition_files(&definitions)? {
        settle(&file, check, &mut stale)?;
    }
    // Rendered last: helm reads the definitions of the chart that were just written.
    let install = File {
        path: "manifests/install.yaml".into(),
        text: manifest::install(&definitions)?,
    };
    settle(&install, check, &mut stale)?;
    if stale.is_empty() {
        Ok(())
    } else {
        Err(GenerateError::Stale(stale))
    }
}

fn definition_files(definitions: &[CustomResourceDefinition]) -> Result<Vec<File>, GenerateError> {
    let mut files = vec![File {
        path: "docs/reference/api.md".into(),
        text: api::page(definitions),
    }];
    for definition in definitions {
        let plural = &definition.spec.names.plural;
        files.push(File {
            path: format!("manifests/crds/{plural}.yaml").into(),
            text: manifest::plain(definition)?,
        });
        files.push(File {
            path: format!("charts/fastx-crds/templates/{plural}.yaml").into(),
            text: manifest::templated(definition)?,
        });
    }
    Ok(files)
}

/// Writes a file when it differs; with `check` only notes where.
fn settle(file: &File, check: bool, stale: &mut Vec<String>) -> Result<(), GenerateError> {
    let path = cluster::root().join(&file.path);
    let committed = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(failed("read", &path, source)),
    };
    if committed == file.text {
        return Ok(());
    }
    if check {
        stale.push(difference(&file.path, &committed, &file.text));
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| failed("write", folder, source))?;
    }
    fs::write(&path, &file.text).map_err(|source| failed("write", &path, source))?;
    say(&format!("{}: written", file.path.display()));
    Ok(())
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> GenerateError {
    GenerateError::File {
        verb,
        path: path.to_path_buf(),
        source,
    }
}

/// The first line that differs, for people.
fn difference(path: &Path, committed: &str, generated: &str) -> String {
    let path = path.display();
    if committed.is_empty() {
        return format!("{path} is missing");
    }
    let (mut old, mut new) = (committed.lines(), generated.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (Some(a), Some(b)) if a == b => {}
            // Only the line end at the end of the file differs.
            (None, None) => return format!("{path} differs in its last line end"),
            (a, b) => {
                let line = |text: Option<&str>| {
                    text.map_or_else(|| "nothing".into(), |t| format!("`{t}`"))
                };
                return format!("{path}:{number} has {}, generated is {}", line(a), line(b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_are_current() {
        if let Err(error) = run(true) {
            panic!("{error}");
        }
    }

    #[test]
    fn the_first_difference_is_named() {
        let path = Path::new("a.yaml");
        assert_eq!(
            difference(path, "a\nb\n", "a\nc\n"),
            "a.yaml:2 has `b`, generated is `c`"
        );
        assert_eq!(
            difference(path, "a\n", "a\nc\n"),
            "a.yaml:2 has nothing, generated is `c`"
        );
        assert_eq!(difference(path, "", "a"), "a.yaml is missing");
        assert_eq!(
            difference(path, "a", "a\n"),
            "a.yaml differs in its last line end"
        );
    }
}
