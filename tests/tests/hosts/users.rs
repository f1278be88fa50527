//! The users of a host, as its name service knows them or fails to.

use fastx_core::wire::session::SessionState;
use fastx_tests::Failure;
use fastx_tests::eventually::eventually;
use fastx_tests::hosts::Bench;

use crate::{SEEN, refused, sign_in, start, state};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_service_that_hangs_is_said_within_a_limit() -> Result<(), Failure> {
    let bench = Bench::up(&["alpha"]).await?;
    let host = bench.host(0);
    let ada = sign_in(host, "ada").await?;
    let session = start(&ada, host).await?;
    // From now on nobody gets an answer.
    host.root(
        "cp /usr/bin/getent /var/tmp/getent && printf '#!/bin/sh\\nexec sleep 100\\n' >/var/tmp/hangs && install -m 755 /var/tmp/hangs /usr/bin/getent",
    )?;
    let bob = sign_in(host, "bob").await?;
    let problem = refused(&bob, host).await?;
    assert_eq!(problem["type"], "no-name-service", "{problem}");
    // Who was known stays known.
    let second = start(&ada, host).await?;
    assert_eq!(state(&ada, &second).await?.state, SessionState::Running);
    host.root("install -m 755 /var/tmp/getent /usr/bin/getent")?;
    eventually(SEEN, "bob is known again", async || {
        start(&bob, host).await.map(drop)
    })
    .await?;
    assert_eq!(state(&ada, &session).await?.state, SessionState::Running);
    Ok(())
}
