//! E-mails to customers.

use std::{fs, path::Path};

use domain::{Contact, Email, Language, Order, OrderId, TransitionEffects, VoidReason};
use e2e::{PASSWORD, Shop, Shopper};
use jiff::SignedDuration;
use notifications::{MailLimits, OrderUrl};
use ops::dead_letters::{self, Functions};
use serde_json::json;
use table::{Cause, Claim};

use crate::orders::hold;

#[tokio::test]
async fn each_event_of_an_order_is_mailed_once() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").priced(123_456).stock(10).create().await;
    let (ann, admin) = (shop.registered().await, shop.admin().await);
    ann.adds(&mug, 2).await.expect(200);

    let order = ann.checks_out().await.expect(201).json()["orderId"].as_str().unwrap().to_owned();
    shop.drain().await;
    let after_checkout = mails(&shop);
    admin.post_once(&format!("/admin/orders/{order}/ship"), "ship-the-mugs-today", json!(null)).await.expect(200);
    admin.post_once(&format!("/admin/orders/{order}/deliver"), "mugs-were-delivered", json!(null)).await.expect(200);
    let part = json!({"amount": {"amount": 1_000, "currency": "USD"}});
    admin.post_once(&format!("/admin/orders/{order}/refund"), "a-handle-is-broken-1", part).await.expect(200);
    shop.drain().await;
    let sent = mails(&shop);
    shop.drain().await;

    assert_eq!(after_checkout.len(), 1);
    let first = &after_checkout[0];
    assert!(first.contains(&order) && first.contains("$2,469.12") && first.contains("The mug"), "{first}");
    assert!(first.contains("To: ") && first.contains("shopper0@example.com"), "{first}");
    assert!(first.contains("text/plain") && first.contains("text/html"), "{first}");
    assert_eq!(sent.len(), 4, "placed, shipped, delivered, refunded");
    assert!(sent.iter().any(|mail| mail.contains("$10.00")), "the refund names its amount");
    assert_eq!(mails(&shop), sent, "nothing is mailed again");
}

#[tokio::test]
async fn the_folder_of_mail_is_there_before_the_first_mail() {
    let shop = Shop::with_stream().await;

    assert!(shop.stack.mail.is_dir());
    assert!(mails(&shop).is_empty());
}

#[tokio::test]
async fn a_cancelled_order_is_mailed_if_it_was_paid_and_a_declined_card_is_not() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);

    ann.pays_with("tok_declined", "a-card-that-fails-1").await.expect(402);
    shop.drain().await;
    let declined = mails(&shop).len();
    let order = ann.pays_with("tok_visa", "a-card-that-pays-01").await.expect(201).json();
    let cancel = format!("/orders/{}/cancel", order["orderId"].as_str().unwrap());
    ann.post_once(&cancel, "changed-my-mind-0001", json!(null)).await.expect(200);
    shop.drain().await;

    // The order was placed, it was cancelled, and its refund was paid.
    assert_eq!((declined, mails(&shop).len()), (0, 3));
}

#[tokio::test]
async fn a_customer_with_a_verified_address_who_was_left_waiting_gets_one_mail_that_nothing_was_charged() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    // The address of the other is not verified, so it may be a stranger's.
    let (ann, other) = (shop.registered().await, shop.registered().await);
    shop.verifies(&ann).await;
    for shopper in [&ann, &other] {
        shopper.adds(&mug, 1).await.expect(200);
        shopper.pays_with("tok_timeout_unpaid", "an-answer-is-lost-1").await.expect(202);
    }
    shop.drain().await;
    let waiting = mails(&shop).len();
    for _ in 0..3 {
        shop.clock.advance(SignedDuration::from_mins(16));
        shop.sweep(None).await;
        shop.drain().await;
    }

    let sent = mails(&shop);
    assert_eq!((waiting, sent.len()), (0, 1));
    assert!(sent[0].contains("Nothing was charged") && sent[0].contains("order is cancelled"), "{}", sent[0]);
}

#[tokio::test]
async fn a_recipient_has_a_daily_limit_which_a_second_delivery_does_not_exceed() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.mail_limits = Some(MailLimits { recipient: 3, ..MailLimits::default() });
    })
    .await;
    let mug = shop.product("mug").stock(10).create().await;
    let mut ann = shop.registered().await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        ann.adds(&mug, 1).await.expect(200);
        orders.push(bought(&ann).await);
    }

    shop.drain().await;
    let that_day = mails(&shop).len();
    // The records are delivered again a day later.
    shop.clock.advance(SignedDuration::from_hours(24));
    let mut claims = Vec::new();
    for order in &orders {
        let claim = shop.stack.table.notification_claim(*order, 2, "again", shop.clock.now()).await;
        claims.push(claim.unwrap());
    }
    ann.logs_in("shopper0@example.com", PASSWORD).await;
    ann.adds(&mug, 1).await.expect(200);
    bought(&ann).await;
    shop.drain().await;

    assert_eq!((that_day, mails(&shop).len()), (3, 4));
    assert_eq!(claims, [Claim::Done; 5]);
    let dead_letters = shop.stack.dead_letters.list(None).await.unwrap().objects;
    assert!(dead_letters.is_empty(), "a dropped mail is no dead letter");
}

#[tokio::test]
async fn mails_beyond_the_shops_limit_become_dead_letters_that_can_be_replayed_in_another_hour() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        // The limit is split over eight counters; e-mails to one recipient all count in one of them.
        options.mail_limits = Some(MailLimits { shop: 8, ..MailLimits::default() });
    })
    .await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.registered().await;
    for _ in 0..3 {
        ann.adds(&mug, 1).await.expect(200);
        bought(&ann).await;
    }

    shop.drain().await;
    let that_hour = mails(&shop).len();
    let dead_letters = shop.stack.dead_letters.list(None).await.unwrap().objects;
    let functions = Functions::at(Some(&shop.stack.url()), true).await.unwrap();
    let replay = async |key: &str| dead_letters::replay(&shop.stack.dead_letters, &functions, key, true).await;
    let kept = shop.stack.dead_letters.get(&dead_letters[0].key).await.expect("a dead letter");
    shop.clock.advance(SignedDuration::from_hours(1));
    replay(&dead_letters[0].key).await.expect("another hour has begun");
    let replayed = mails(&shop).len();
    replay(&dead_letters[1].key).await.ok();
    let replayed_too_soon = mails(&shop).len();
    shop.clock.advance(SignedDuration::from_hours(1));
    replay(&dead_letters[1].key).await.expect("another hour has begun");

    assert_eq!((that_hour, dead_letters.len()), (1, 2));
    let error = kept.request_context.error.expect("a dead letter says why");
    assert!(format!("{error:?}").contains("MAIL_LIMITS"), "{error:?}");
    assert_eq!((replayed, replayed_too_soon, mails(&shop).len()), (2, 2, 3));
}

#[tokio::test]
async fn without_limits_a_recipient_gets_everything() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.mail_limits = None;
    })
    .await;
    let mug = shop.product("mug").stock(50).create().await;
    let ann = shop.registered().await;
    // One more than the default limit a day. The clock advances because checkouts are limited, too.
    for _ in 0..31 {
        shop.clock.advance(SignedDuration::from_secs(20));
        ann.adds(&mug, 1).await.expect(200);
        bought(&ann).await;
    }

    shop.drain().await;

    assert_eq!(mails(&shop).len(), 31);
}

#[tokio::test]
async fn no_mail_is_sent_for_a_hold_nor_to_a_guest_without_an_e_mail() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, guest) = (shop.registered().await, shop.customer().await);
    ann.adds(&mug, 1).await.expect(200);
    guest.adds(&mug, 1).await.expect(200);

    hold(&shop, &ann, "tok_visa", "a-request-that-died").await;
    pays(&shop, &guest, |order| order.contact = None).await;
    shop.drain().await;

    assert!(mails(&shop).is_empty());
}

#[tokio::test]
async fn a_guest_is_mailed_at_the_orders_contact_once_it_is_paid() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let guest = shop.customer().await;
    guest.adds(&mug, 1).await.expect(200);

    let held = hold(&shop, &guest, "tok_visa", "an-order-of-a-guest").await;
    shop.drain().await;
    let before = mails(&shop).len();
    let mut paid = held.paid("pay_1", shop.clock.now()).expect("it is paid");
    paid.order.contact = contact("guest@example.com");
    writes(&shop, &paid).await;
    shop.drain().await;
    shop.drain().await;

    let sent = mails(&shop);
    assert_eq!((before, sent.len()), (0, 1));
    assert!(sent[0].contains("To: <guest@example.com>"), "{}", sent[0]);
    assert!(sent[0].contains(&held.number().to_string()), "{}", sent[0]);
}

#[tokio::test]
async fn a_contact_is_mailed_instead_of_the_account_unless_nothing_was_paid() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let (ann, guest) = (shop.registered().await, shop.customer().await);
    shop.verifies(&ann).await;
    ann.adds(&mug, 1).await.expect(200);

    pays(&shop, &ann, |order| order.contact = contact("office@example.com")).await;
    shop.drain().await;
    let about_the_paid = recipients(&shop);
    for shopper in [&ann, &guest] {
        shopper.adds(&mug, 1).await.expect(200);
        let held = hold(&shop, shopper, "tok_timeout_unpaid", "an-answer-is-lost-01").await;
        let mut lost = held.outcome_unknown(shop.clock.now()).expect("it has no outcome");
        lost.order.contact = contact("office@example.com");
        writes(&shop, &lost).await;
        writes(&shop, &lost.order.void(VoidReason::Expired, shop.clock.now()).expect("it is void")).await;
    }
    shop.drain().await;

    assert_eq!(about_the_paid, ["<office@example.com>"]);
    assert_eq!(recipients(&shop), ["<office@example.com>", "<shopper0@example.com>"], "none about the guest's");
}

#[tokio::test]
async fn an_order_from_before_contacts_is_mailed_to_its_customers_account() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);

    pays(&shop, &ann, |order| order.contact = None).await;
    shop.drain().await;

    assert_eq!(recipients(&shop), ["<shopper0@example.com>"]);
}

#[tokio::test]
async fn a_mail_is_in_the_language_of_its_order_and_links_to_the_storefronts_page_of_it() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.order_url = OrderUrl::parse("https://shop.example/orders/{orderId}").ok();
    })
    .await;
    let mug = shop.product("mug").priced(123_456).create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);

    let order = pays(&shop, &ann, |order| order.language = Language::De).await;
    shop.drain().await;

    let sent = mails(&shop);
    let [mail] = sent.as_slice() else { panic!("one mail was sent") };
    assert!(mail.contains("Content-Language: de") && mail.contains("Guten Tag,"), "{mail}");
    assert!(mail.contains("1.234,56") && !mail.contains("Hello"), "{mail}");
    assert_eq!(mail.matches(&format!("https://shop.example/orders/{}", order.id)).count(), 2, "{mail}");
}

#[tokio::test]
async fn a_claim_of_a_dead_delivery_passes_to_its_own_record_at_once_and_to_another_after_a_minute() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    let ann = shop.registered().await;
    ann.adds(&mug, 1).await.expect(200);
    let order = bought(&ann).await;
    let claim = async |record| shop.stack.table.notification_claim(order, 2, record, shop.clock.now()).await.unwrap();

    let claims = [claim("one").await, claim("one").await, claim("another").await];
    shop.clock.advance(SignedDuration::from_mins(1));
    shop.drain().await;
    let after = claim("one").await;

    assert_eq!(claims, [Claim::First, Claim::Again, Claim::Elsewhere]);
    assert_eq!((after, mails(&shop).len()), (Claim::Done, 1));
}

/// The shopper's cart as an order that is paid, with what `change` makes of it.
async fn pays(shop: &Shop, shopper: &Shopper, change: impl FnOnce(&mut Order)) -> Order {
    let held = hold(shop, shopper, "tok_visa", &format!("paid-by-{}", shopper.uid)).await;
    let mut paid = held.paid("pay_1", shop.clock.now()).expect("it is paid");
    change(&mut paid.order);
    writes(shop, &paid).await;
    paid.order
}

async fn writes(shop: &Shop, moved: &TransitionEffects) {
    shop.stack.table.order_transition(moved, Cause::Answer, shop.clock.now()).await.expect("nobody else changed it");
}

fn contact(email: &str) -> Option<Contact> {
    Some(Contact { email: Email::parse(email).expect("an e-mail"), name: None, phone: None })
}

/// The recipients of all mails, sorted.
fn recipients(shop: &Shop) -> Vec<String> {
    let to = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("To: ")).map(|to| to.trim().to_owned());
    let mut recipients: Vec<_> = mails(shop).iter().filter_map(to).collect();
    recipients.sort();
    recipients
}

async fn bought(shopper: &Shopper) -> OrderId {
    let answer = shopper.checks_out().await.expect(201).json();
    answer["orderId"].as_str().and_then(|id| id.parse().ok()).expect("an order's id")
}

/// Every mail about an order that was sent, its lines unfolded, in the order of their names.
pub fn mails(shop: &Shop) -> Vec<String> {
    let Ok(files) = fs::read_dir(&shop.stack.mail) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).filter(|file| is_of_order(file)).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).expect("a mail").replace("=\r\n", "")).collect()
}

/// Whether a mail's file is named by an order and its version, and not by a request for a link.
pub fn is_of_order(file: &Path) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
    name.rsplit_once('-').is_some_and(|(_, version)| version.parse::<u64>().is_ok())
}

#[tokio::test]
async fn a_guest_who_logged_in_gets_the_mail_about_an_earlier_order() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let mut bob = shop.stranger();
    bob.registers("bob@example.com").await;
    let mut guest = shop.customer().await;
    guest.adds(&mug, 1).await.expect(200);
    // An order from before there were contacts.
    pays(&shop, &guest, |order| order.contact = None).await;

    guest.logs_in("bob@example.com", e2e::PASSWORD).await;
    shop.drain().await;

    let files = fs::read_dir(&shop.stack.mail).unwrap().map(|file| file.unwrap().path());
    let mails: Vec<_> = files.filter(|file| is_of_order(file)).collect();
    assert_eq!(mails.len(), 1);
    assert!(fs::read_to_string(&mails[0]).unwrap().contains("bob@example.com"));
}
