//! Tests the shop's Stripe payments against a fake of Stripe on this machine: localstripe, behind a proxy of our own
//! that adds what localstripe lacks, and that loses answers on request.
//!
//! It cannot show that the real Stripe behaves like the fake.

mod localstripe;
mod proxy;
mod scene;
mod shop;
mod stories;

use tokio::runtime::Runtime;

use crate::Outcome;
use localstripe::LocalStripe;
use proxy::Proxy;
use shop::Shop;
pub use shop::build as build_local_stack;

/// The secret that signs events.
const WEBHOOK_SECRET: &str = "whsec_test";
const SECRET_KEY: &str = "sk_test_12345";

/// All running programs.
#[derive(Debug)]
struct World {
    shop: Shop,
    proxy: Proxy,
    stripe: LocalStripe,
}

/// Runs every scenario and prints its result.
///
/// # Errors
/// If something could not be started, or a scenario failed.
pub fn run() -> Outcome<()> {
    let program = shop::build()?;
    let python = localstripe::install()?;
    let stripe = LocalStripe::start(&python)?;
    let runtime = Runtime::new()?;
    let tally = {
        // The proxy lives on the runtime.
        let proxy = runtime.block_on(Proxy::start(&stripe.url))?;
        let shop = Shop::start(&program, &proxy.url)?;
        let world = World { shop, proxy, stripe };
        runtime.block_on(stories::play(&world))?
    };
    match tally.failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} scenarios failed", tally.played).into()),
    }
}
