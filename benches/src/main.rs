//! `cargo xtask bench`: what the product costs beside programs that do the same or less.

mod app;
mod bare;
mod figure;
mod hosts;
mod memory;
mod reattach;
mod relay;
mod rest;
mod samples;
mod start;
mod terminator;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    app::run(app::Args::parse()).await
}
