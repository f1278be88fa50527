//! What the API server accepts and refuses of our resources, before any operator has seen them.

mod cluster;
mod examples;
mod explain;
mod node;
mod policies;
mod rights;
mod script;
mod table;
