//! The script process on its own: what a node does when it starts itself with the hidden argument.

fn main() -> std::process::ExitCode {
    fastx_balancer::worker::main()
}
