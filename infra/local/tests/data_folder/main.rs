//! A data folder is whole, made again, or refused. The program is started as a user starts it, and looked at from outside.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

mod before;
mod damage;
mod first_start;
mod private;
mod run;
