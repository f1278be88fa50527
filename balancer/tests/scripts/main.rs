//! The balancer with real script processes: what administrators were told, attacks, deaths, checks.

mod check;
mod guide;
mod hostile;
mod process;
#[cfg(test)]
mod support;
