//! Attacks
