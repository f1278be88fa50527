//! What `fastx-manager setup` can be told. Secrets come in files, never as arguments, which everybody can list.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fastx_core::names::BusNamespace;

/// Kind of transporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transporter {
    /// NATS: each member has an identity of its own.
    Nats,
    /// Redis: one password, which gives everything.
    Redis,
}

/// Who may join unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JoinPolicy {
    /// An administrator accepts each host.
    Declared,
    /// Whoever has a join file.
    Any,
}

/// What is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rotate {
    /// Certificates of bus and managers; members go on trusting the authority.
    Certificates,
    /// The managers' identity on the bus; the old one is revoked.
    Identity,
    /// The password of Redis; every member needs the new broker.json.
    Password,
    /// The join file; the old one is revoked.
    JoinFile,
}

/// Sets up a cluster on this machine: authority, certificates, identities, configuration and units.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// What carries the messages.
    #[arg(long, value_enum)]
    pub transporter: Option<Transporter>,
    /// Host name under which members reach this machine; empty until you write it into the file for them.
    #[arg(long)]
    pub host: Option<String>,
    /// Port of the transporter; 4222 for NATS and 6379 for Redis unless given.
    #[arg(long)]
    pub port: Option<u16>,
    /// Name of the cluster on the bus.
    #[arg(long)]
    pub namespace: Option<BusNamespace>,
    /// The broker.json of a transporter that somebody else runs: none is set up here.
    #[arg(long, conflicts_with_all = ["transporter", "certificate", "host", "port"])]
    pub given: Option<PathBuf>,
    /// File with the address of the store, `mongodb://…`.
    #[arg(long)]
    pub store_uri_file: Option<PathBuf>,
    /// File with the authority of the store's certificate (PEM).
    #[arg(long)]
    pub store_ca: Option<PathBuf>,
    /// Certificate chain (PEM) of a public authority for the bus, instead of one of the own authority.
    #[arg(long, requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Who may join unasked.
    #[arg(long, value_enum)]
    pub discovery: Option<JoinPolicy>,
    /// How many hosts may join with the join file.
    #[arg(long, default_value_t = 10)]
    pub join_uses: u32,
    /// Days until the join file ends.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub join_days: u32,
    /// Make something anew.
    #[arg(long, value_enum)]
    pub rotate: Vec<Rotate>,
    /// Public key of a member that is to be shut out.
    #[arg(long, value_name = "KEY")]
    pub revoke: Vec<String>,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Write below this folder, for packages and tests.
    #[arg(long, default_value = "/")]
    pub root: PathBuf,
    /// User that managers and nodes run as.
    #[arg(long, default_value = "fastx")]
    pub user: String,
    /// User that the bus runs as.
    #[arg(long, default_value = "fastx-bus")]
    pub bus_user: String,
    /// Program of the bus, when it is not in one of the usual folders.
    #[arg(long)]
    pub bus_program: Option<PathBuf>,
    /// Program of the manager, for its unit.
    #[arg(long, default_value = "/usr/bin/fastx-manager")]
    pub manager_program: PathBuf,
}
