//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Desktops of a cluster from a terminal
#[derive(Debug, Parser)]
#[command(name = "fastxctl", version, propagate_version = true)]
pub struct Arguments {
    /// Address of the cluster, such as `https://desks.example.org`; needed when there are logins at several
    #[arg(long, short, global = true, env = "FASTX_ADDRESS")]
    pub address: Option<String>,
    /// How to print
    #[arg(long, short, global = true, value_enum, default_value = "table")]
    pub output: Format,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    Table,
    /// The API's documents, for programs
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in and keep the login for later calls
    Login(Login),
    /// End the login
    Logout,
    /// Who am I, and where
    Whoami,
    /// My sessions
    #[command(visible_alias = "ls")]
    Sessions(Sessions),
    /// The servers of the cluster
    Servers(Watch),
    /// What can be started
    #[command(visible_alias = "apps")]
    Applications,
    /// Start a session
    Start(Start),
    /// Open a session in a VNC viewer, or say where a browser finds it
    Connect(Connect),
    /// Send the viewers of a session away; it goes on
    Disconnect(Session),
    /// End a session and everything that is open in it
    End(End),
    /// How the server of a session was chosen
    Why(Session),
    /// What a session's programs printed, or what a service on this host logs
    Logs(Logs),
    /// The settings of the cluster; for admins
    Config(Config),
    /// Find out what is wrong with this host
    Doctor(Doctor),
    /// Print the completion of a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Sign-in.
#[derive(Debug, Args)]
pub struct Login {
    /// Address of the cluster, such as `https://desks.example.org`
    pub address: Option<String>,
    /// Login name [default: yours on this machine]
    #[arg(long, short)]
    pub user: Option<String>,
    /// Sign-in method [default: the first that the cluster offers and a terminal can do]
    #[arg(long, short)]
    pub method: Option<String>,
    /// Read the password from the first line of a file instead of asking; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Certificate authority (PEM) that vouches for the address
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the address's own certificate, when no authority vouches for it
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<String>,
}

/// Whether to go on printing.
#[derive(Debug, Args)]
pub struct Watch {
    /// Go on and print each change
    #[arg(long, short)]
    pub watch: bool,
}

/// List of sessions.
#[derive(Debug, Args)]
pub struct Sessions {
    /// Those of everybody; for managers
    #[arg(long)]
    pub all: bool,
    /// Also those that are over
    #[arg(long)]
    pub ended: bool,
    /// Go on and print each change
    #[arg(long, short)]
    pub watch: bool,
}

/// A session that is named.
#[derive(Debug, Args)]
pub struct Session {
    /// Its id, the beginning of it, or its name
    pub session: String,
}

/// End of a session.
#[derive(Debug, Args)]
pub struct End {
    /// Its id, the beginning of it, or its name
    pub session: String,
    /// Why; the owner sees it with the ended session
    #[arg(long, short, default_value = "")]
    pub reason: String,
}

/// Start of a session.
#[derive(Debug, Args)]
pub struct Start {
    /// Application (see `fastxctl applications`)
    #[arg(required_unless_present = "command")]
    pub application: Option<String>,
    /// Command line instead of an application
    #[arg(long, short, conflicts_with = "application")]
    pub command: Option<String>,
    /// Name for people
    #[arg(long, short)]
    pub name: Option<String>,
    /// `WIDTHxHEIGHT`
    #[arg(long, short)]
    pub geometry: Option<String>,
    /// Profile
    #[arg(long, short)]
    pub profile: Option<String>,
    /// Server, where choosing is allowed
    #[arg(long, short)]
    pub server: Option<String>,
    /// Parameter `NAME=VALUE`; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// A repetition under the same key starts nothing twice
    #[arg(long)]
    pub key: Option<String>,
}

/// Opening of a session.
#[derive(Debug, Args)]
pub struct Connect {
    /// Its id, the beginning of it, or its name
    pub session: String,
    /// See only
    #[arg(long)]
    pub view: bool,
    /// VNC viewer that is given the path of a socket
    #[arg(long, default_value = "vncviewer")]
    pub viewer: String,
    /// Only print the address for a browser
    #[arg(long)]
    pub url: bool,
    /// Offer the session at this loopback address instead of starting a viewer; whoever is on this machine can then reach it
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
}

/// Logs.
#[derive(Debug, Args)]
pub struct Logs {
    /// A session: its id, the beginning of it, or its name
    pub session: Option<String>,
    /// A service of this host, from its journal
    #[arg(long, value_enum, conflicts_with = "session")]
    pub service: Option<Service>,
    /// Go on and print what is added (services only)
    #[arg(long, short)]
    pub follow: bool,
    /// How many lines of a service
    #[arg(long, short = 'n', default_value_t = 200)]
    pub lines: u32,
}

/// A service of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// `fastx-node`
    Node,
    /// `fastx-manager`
    Manager,
}

/// Settings.
#[derive(Debug, Args)]
pub struct Config {
    /// What to do with them
    #[command(subcommand)]
    pub act: ConfigAct,
}

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigAct {
    /// Print them as JSON
    Get {
        /// Whose
        #[arg(value_enum)]
        scope: Scope,
        /// As they were in this generation of the history
        #[arg(long, value_name = "NUMBER")]
        generation: Option<u64>,
    },
    /// List the versions that are kept: since when, and who made them
    History {
        /// Whose
        #[arg(value_enum)]
        scope: Scope,
    },
    /// Replace them, after the difference was shown and agreed to
    Set(SetConfig),
}

/// New settings.
#[derive(Debug, Args)]
pub struct SetConfig {
    /// Whose
    #[arg(value_enum)]
    pub scope: Scope,
    /// File with all settings as JSON, as `get` prints them; `-` is standard input
    pub file: PathBuf,
    /// Show the difference and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, short, conflicts_with = "dry_run")]
    pub yes: bool,
}

/// Whose settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Of all servers
    Global,
    /// Of the server that answers at the address
    Local,
}

/// Where the doctor looks.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Folder of broker.json
    #[arg(long, env = "FX_CONFIG_DIR", default_value = "/etc/fastx")]
    pub config_dir: PathBuf,
    /// Folder of the node's own state
    #[arg(long, env = "FX_LOCAL_DIR", default_value = "/var/lib/fastx")]
    pub local_dir: PathBuf,
    /// Folder of the socket for links
    #[arg(long, env = "FX_LINK_DIR", default_value = "/run/fastx")]
    pub link_dir: PathBuf,
    /// The link's program
    #[arg(
        long,
        env = "FX_LINK_BINARY",
        default_value = "/usr/lib/fastx/fastx-link"
    )]
    pub link_binary: PathBuf,
    /// Where the node serves browsers on this host
    #[arg(long, default_value = "127.0.0.1:3300")]
    pub web: SocketAddr,
    /// Where the node answers probes
    #[arg(long, default_value = "127.0.0.1:9300")]
    pub health: SocketAddr,
    /// Where this host's sshd listens
    #[arg(long, default_value = "127.0.0.1:22")]
    pub sshd: SocketAddr,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn application_or_command() {
        let ok = |line: &str| Arguments::try_parse_from(line.split(' ')).is_ok();
        assert!(ok("fastxctl start desktop"));
        assert!(ok("fastxctl start --command xterm"));
        assert!(!ok("fastxctl start"));
        assert!(!ok("fastxctl start desktop --command xterm"));
        assert!(ok("fastxctl config set global - --yes"));
        assert!(!ok("fastxctl config set global"));
        assert!(!ok("fastxctl config get everything"));
        assert!(!ok("fastxctl login --fingerprint aa --ca-file b"));
    }
}
