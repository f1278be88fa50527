//! The link as a process, with real X servers.

#[cfg(test)]
mod beside;
#[cfg(test)]
mod init;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod survival;
