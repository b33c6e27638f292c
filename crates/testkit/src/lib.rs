//! What ganger's tests share; it ships nothing.

pub mod model;
pub mod postgres;
