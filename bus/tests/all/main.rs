//! The bus from outside: what every transport promises, and what happens when connections fail.

mod conformance;
mod connection;
mod support;
