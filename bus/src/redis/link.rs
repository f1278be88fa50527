//! One connection to Redis: dialling with TLS, signing in, and the calls that are made on it.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastx_core::names::{BusNamespace, CallerId};
use fastx_core::wire::broker::BrokerConfig;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo,
    RedisError, ServerErrorKind, Value,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::CONFIRM;
use crate::connect::{addresses, tls};
use crate::error::{BusError, Cause, of_io};

/// Delivers to channels and patterns, and to one live member of each queue group.
const SEND: &str = include_str!("send.lua");

/// Notes which members of queue groups live.
const ALIVE: &str = include_str!("alive.lua");

/// A member of a queue group that was silent for so long gets nothing, seconds.
const SILENCE: u32 = 7;

/// Time to ask a port whether it speaks without TLS.
const PLAIN_PROBE: Duration = Duration::from_millis(700);

/// Serial number of the next connection of this process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A connection that is signed in.
#[derive(Debug, Clone)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    send: String,
    groups: String,
    /// Tells connections apart.
    pub(super) serial: u64,
    /// Cancelled when the connection has ended.
    pub(super) ended: CancellationToken,
}

impl Link {
    /// Connects to the first server that can be used.
    pub(super) async fn open<F>(
        config: &BrokerConfig,
        caller: &CallerId,
        limit: Duration,
        on_push: F,
    ) -> Result<Self, BusError>
    where
        F: Fn(PushInfo) + Clone + Send + Sync + 'static,
    {
        let tls = match tls(config)? {
            Some(tls) => tls,
            None => of_system()?,
        };
        let tls = TlsConnector::from(Arc::new(tls));
        let addresses = addresses(config);
        let end = Instant::now() + limit;
        let mut cause = Cause::TimedOut;
        for (n, address) in addresses.iter().enumerate() {
            let left = end.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - n).unwrap_or(1);
            let opened = Self::open_one(config, caller, address, &tls, share, on_push.clone());
            match opened.await {
                Ok(link) => return Ok(link),
                Err(why) => cause = why,
            }
        }
        Err(BusError::Unreachable {
            address: addresses.join(", "),
            cause,
        })
    }

    async fn open_one<F>(
        config: &BrokerConfig,
        caller: &CallerId,
        address: &str,
        tls: &TlsConnector,
        limit: Duration,
        on_push: F,
    ) -> Result<Self, Cause>
    where
        F: Fn(PushInfo) + Send + Sync + 'static,
    {
        let end = Instant::now() + limit;
        let stream = dial(address, tls, end).await?;
        let signed_in = sign_in(config, caller, stream, on_push);
        timeout_at(end, signed_in)
            .await
            .map_err(|_| Cause::TimedOut)?
            .map_err(|error| refusal(&error))?
    }

    /// Delivers a message; says to how many connections.
    pub(super) async fn send(
        &self,
        channel: &str,
        message: &[u8],
        turn: u64,
    ) -> Result<i64, RedisError> {
        let mut connection = self.connection.clone();
        let call = |command: &str, script: &str| {
            let mut call = redis::cmd(command);
            call.arg(script)
                .arg(1)
                .arg(&self.groups)
                .arg(channel)
                .arg(message)
                .arg(turn % 1_000_000)
                .arg(SILENCE);
            call
        };
        match call("EVALSHA", &self.send)
            .query_async(&mut connection)
            .await
        {
            // Somebody emptied the server's memory of scripts.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call("EVAL", SEND).query_async(&mut connection).await
            }
            other => other,
        }
    }

    /// Delivers an answer to the one who asked.
    pub(super) async fn answer(&self, channel: &str, message: &[u8]) -> Result<i64, RedisError> {
        let mut call = redis::cmd("PUBLISH");
        call.arg(channel).arg(message);
        call.query_async(&mut self.connection.clone()).await
    }

    /// Says that these members of queue groups live; without any it is a round trip.
    pub(super) async fn alive(&self, members: &[String]) -> Result<(), RedisError> {
        let mut connection = self.connection.clone();
        if members.is_empty() {
            return redis::cmd("PING").exec_async(&mut connection).await;
        }
        let mut call = redis::cmd("EVAL");
        call.arg(ALIVE).arg(1).arg(&self.groups).arg(members);
        call.exec_async(&mut connection).await
    }

    pub(super) async fn leave(&self, member: &str) -> Result<(), RedisError> {
        let mut call = redis::cmd("ZREM");
        call.arg(&self.groups).arg(member);
        call.exec_async(&mut self.connection.clone()).await
    }

    pub(super) async fn listen(&self, topic: &super::routes::Topic) -> Result<(), RedisError> {
        let mut connection = self.connection.clone();
        match topic {
            super::routes::Topic::Channel(name) => connection.subscribe(name).await,
            super::routes::Topic::Glob(glob) => connection.psubscribe(glob).await,
        }
    }

    pub(super) async fn ignore(&self, topic: &super::routes::Topic) -> Result<(), RedisError> {
        let mut connection = self.connection.clone();
        match topic {
            super::routes::Topic::Channel(name) => connection.unsubscribe(name).await,
            super::routes::Topic::Glob(glob) => connection.punsubscribe(glob).await,
        }
    }
}

/// Sorted set of the members of queue groups, by when they were last alive.
fn groups_key(namespace: &BusNamespace) -> String {
    format!("fastx:{namespace}:groups")
}

async fn sign_in<F>(
    config: &BrokerConfig,
    caller: &CallerId,
    stream: TlsStream<TcpStream>,
    on_push: F,
) -> Result<Result<Link, Cause>, RedisError>
where
    F: Fn(PushInfo) + Send + Sync + 'static,
{
    let mut info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    if !config.password.is_empty() {
        info = info.set_password(config.password.expose());
    }
    let ended = CancellationToken::new();
    let on_end = ended.clone();
    let push = move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            on_end.cancel();
        } else {
            on_push(push);
        }
        Ok::<(), ()>(())
    };
    let settings = AsyncConnectionConfig::new()
        .set_push_sender(push)
        .set_response_timeout(Some(CONFIRM))
        .set_connection_timeout(None);
    let (mut connection, driver) =
        MultiplexedConnection::new_with_config(&info, stream, settings).await?;
    let guard = ended.clone().drop_guard();
    tokio::spawn(async move {
        let _guard = guard;
        driver.await;
    });
    let name = format!("{}/{caller}", config.namespace);
    redis::cmd("CLIENT")
        .arg("SETNAME")
        .arg(name)
        .exec_async(&mut connection)
        .await?;
    // An identity with few rights may not ask for the role; then it is taken for a primary.
    let role: Result<Vec<Value>, RedisError> =
        redis::cmd("ROLE").query_async(&mut connection).await;
    if let Ok(role) = role
        && role.first() == Some(&Value::BulkString(b"slave".to_vec()))
    {
        return Ok(Err(Cause::Other(
            "this Redis is a replica; `host` must name the primary".to_owned(),
        )));
    }
    let send: String = redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(SEND)
        .query_async(&mut connection)
        .await?;
    Ok(Ok(Link {
        connection,
        send,
        groups: groups_key(&config.namespace),
        serial: NEXT.fetch_add(1, Ordering::Relaxed),
        ended,
    }))
}

/// Connects and agrees on TLS.
async fn dial(
    address: &str,
    tls: &TlsConnector,
    end: Instant,
) -> Result<TlsStream<TcpStream>, Cause> {
    let stream = timeout_at(end, tcp(address))
        .await
        .map_err(|_| Cause::TimedOut)??;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Cause::Dns)?;
    // A server without TLS may just wait for the end of the line: leave time to ask it.
    let left = end.saturating_duration_since(Instant::now());
    let agreed = timeout_at(end - PLAIN_PROBE.min(left / 3), tls.connect(name, stream)).await;
    let cause = match agreed {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => of_handshake(&error),
        Err(_) => Cause::TimedOut,
    };
    let certificate = matches!(&cause, Cause::Tls(why) if why.contains("certificate"));
    if !certificate && speaks_plainly(address).await {
        return Err(Cause::Tls(
            "this port speaks Redis without TLS, use its `tls-port`".to_owned(),
        ));
    }
    Err(cause)
}

async fn tcp(address: &str) -> Result<TcpStream, Cause> {
    let mut cause = Cause::Dns;
    let found = tokio::net::lookup_host(address)
        .await
        .map_err(|_| Cause::Dns)?;
    for address in found {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => cause = of_io(&error).unwrap_or_else(|| Cause::Other(error.to_string())),
        }
    }
    Err(cause)
}

fn of_handshake(error: &io::Error) -> Cause {
    match of_io(error) {
        Some(cause) => cause,
        None => Cause::Tls(match error.source() {
            Some(inner) => inner.to_string(),
            None => error.to_string(),
        }),
    }
}

/// Whether the port answers a question in plain words.
async fn speaks_plainly(address: &str) -> bool {
    let asked = timeout(PLAIN_PROBE, async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        io::Result::Ok(answer)
    });
    matches!(asked.await, Ok(Ok(answer)) if answer == *b"+PONG" || answer == *b"-NOAU" || answer == *b"-DENI")
}

/// The system's authorities.
fn of_system() -> Result<ClientConfig, BusError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| BusError::BadCa)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Why a server that was reached does not serve.
fn refusal(error: &RedisError) -> Cause {
    match error.kind() {
        ErrorKind::AuthenticationFailed => return Cause::Credentials,
        ErrorKind::RESP3NotSupported => {
            return Cause::Other("this Redis is older than version 6".to_owned());
        }
        _ => {}
    }
    match error.code() {
        Some("NOAUTH" | "WRONGPASS") => Cause::Credentials,
        _ if error.is_timeout() => Cause::TimedOut,
        _ => Cause::Other(error.to_string()),
    }
}
