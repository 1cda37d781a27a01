//! A data folder is complete, created again, or refused. The program is started like a user does, and checked from
//! outside.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

mod before;
mod damage;
mod first_start;
mod private;
mod run;
