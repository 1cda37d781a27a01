//! The shop's Stripe payments, tried against an imitation of Stripe that runs on this machine: localstripe, and before it
//! a proxy of our own that adds what localstripe lacks and loses answers when it is told to.
//!
//! What it cannot show is that the real Stripe behaves as the imitation does.

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

/// What events are signed with.
const WEBHOOK_SECRET: &str = "whsec_test";
const SECRET_KEY: &str = "sk_test_12345";

/// Everything that is running.
#[derive(Debug)]
struct World {
    shop: Shop,
    proxy: Proxy,
    stripe: LocalStripe,
}

/// Plays every story and prints how each came out.
///
/// # Errors
/// Where something could not be started, and where a story went wrong.
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
        failed => Err(format!("{failed} of {} stories went wrong", tally.played).into()),
    }
}
