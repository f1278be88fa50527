//! A user whose service manager stays after the last logout.

use fastx_tests::Failure;
use fastx_tests::hosts::{Bench, Host};

use crate::faults::{KILL, logged_out, settle};
use crate::{link, lives, sign_in, start};

pub(crate) async fn sessions_of_a_user_who_lingers_live_in_the_user_manager(
    bench: &Bench,
    host: &Host,
) -> Result<(), Failure> {
    host.root(KILL)?;
    host.root("loginctl enable-linger cyd")?;
    link(host, "cyd")?;
    let cyd = sign_in(host, "cyd").await?;
    let session = start(&cyd, host).await?;
    let display = bench.display(&session)?;
    let cgroup = host.cgroup_of(&display)?;
    assert!(
        cgroup.starts_with("/user.slice/user-2003.slice/user@2003.service/"),
        "{cgroup}"
    );
    logged_out(host, "cyd").await?;
    lives(bench, &cyd, &session, &display).await?;
    host.root("loginctl disable-linger cyd")?;
    settle(host)
}
