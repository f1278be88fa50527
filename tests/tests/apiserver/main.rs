//! What the API server accepts and refuses of our resources, before any operator has seen them.

mod cluster;
mod explain;
mod node;
mod policies;
mod script;
mod table;
