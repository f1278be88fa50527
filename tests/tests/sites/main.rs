//! Whole sites of their own beside the demo, for what would disturb it; and the demo's operator while nothing happens.
//!
//! These tests mostly wait, so they run beside each other.

mod account;
mod host;
mod outside;
mod redis;
mod renamed;
mod rest;
mod revoked;
mod rotation;
