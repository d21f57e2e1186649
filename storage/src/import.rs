//! Reading what people bring from elsewhere. The formats are pure; `service::import` writes what they yield.

pub mod csv;
pub mod renzo;
