use domain::{ProductId, Timestamp};
use jiff::SignedDuration;
use table::{BucketError, Descriptions, ObjectEntry};

use super::{Outcome, Problem, Progress, ReconcileError, Run, distinct};

/// A younger object may belong to a product that is being written.
const OLD_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// An object that nothing pointed to in the first check.
pub(super) struct Candidate {
    product: ProductId,
    object: ObjectEntry,
}

/// Reads all objects, and returns those old enough that nothing points to.
pub(super) async fn candidates(run: &mut Run<'_>) -> Result<Vec<Candidate>, ReconcileError> {
    let (mut candidates, mut after) = (Vec::new(), None);
    loop {
        let page = run.descriptions.objects(after).await?;
        run.report.looked_at.objects += page.objects.len();
        let now = run.now();
        let mut old = Vec::new();
        for object in page.objects {
            match product_of(&object.key) {
                None => run.report.add(Problem::ObjectForeign { key: object.key }, Outcome::Reported),
                Some(product) if is_old(object.written_at, now) => old.push(Candidate { product, object }),
                Some(_) => {}
            }
        }
        candidates.extend(unreferenced(run, old).await?);
        // S3 does not return their number.
        let seen = run.report.looked_at.objects;
        (run.progress)(Progress { looking_at: "objects", seen, done: seen, of: None });
        after = page.next;
        if after.is_none() {
            return Ok(candidates);
        }
    }
}

/// Checks again, and deletes what nothing points to.
///
/// A key contains the day it was made, and is not made on another. So no new pointer to an object this old can appear,
/// not even between the check and the deletion.
pub(super) async fn verify(run: &mut Run<'_>, candidates: Vec<Candidate>) -> Result<(), ReconcileError> {
    let of = candidates.len();
    for (done, candidate) in candidates.into_iter().enumerate() {
        (run.progress)(Progress { looking_at: "objects without a product", seen: done, done, of: Some(of) });
        let Some(object) = again(run.descriptions, &candidate.object.key).await? else { continue };
        if !is_old(object.written_at, run.now()) {
            continue;
        }
        let product = candidate.product;
        let Some(Candidate { object, .. }) = unreferenced(run, vec![Candidate { product, object }]).await?.pop() else {
            continue;
        };
        let outcome = match run.options.repair {
            true => {
                run.descriptions.bucket().delete(&object.key).await?;
                Outcome::Mended
            }
            false => Outcome::Reported,
        };
        let ObjectEntry { key, bytes, written_at } = object;
        run.report.add(Problem::ObjectOrphaned { key, bytes, written_at }, outcome);
    }
    Ok(())
}

/// Those whose product, read just now, does not point to them. A malformed product is undecided.
async fn unreferenced(run: &mut Run<'_>, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, ReconcileError> {
    let products = distinct(candidates.iter().map(|candidate| candidate.product.clone()));
    let (mut unknown, mut referenced) = (Vec::new(), Vec::new());
    for (product, state) in run.table.product_states_get(&products).await? {
        match run.readable(state)? {
            Some(state) => referenced.extend(state.description_s3_key),
            None => unknown.push(product),
        }
    }
    let is_free = |c: &Candidate| !unknown.contains(&c.product) && !referenced.contains(&c.object.key);
    Ok(candidates.into_iter().filter(is_free).collect())
}

/// The current object, if it still exists.
async fn again(descriptions: &Descriptions, key: &str) -> Result<Option<ObjectEntry>, BucketError> {
    let page = descriptions.bucket().list(key, None).await?;
    Ok(page.objects.into_iter().find(|object| object.key == key))
}

/// The product of a key of the form `descriptions/<product>/…`.
fn product_of(key: &str) -> Option<ProductId> {
    let (_, rest) = key.split_once('/')?;
    let (_, name) = rest.split_once('/')?;
    if name.is_empty() {
        return None;
    }
    Descriptions::product_of(key)
}

/// Whether it is too old for a product to be written that points to it. Without a time this is unknown.
fn is_old(written_at: Timestamp, now: Timestamp) -> bool {
    written_at != Timestamp::UNIX_EPOCH && now.duration_since(written_at) >= OLD_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_old_after_a_day_and_one_without_a_time_never() {
        let now: Timestamp = "2024-01-02T10:00:00Z".parse().unwrap();

        assert!(is_old("2024-01-01T10:00:00Z".parse().unwrap(), now));
        assert!(!is_old("2024-01-01T10:00:00.001Z".parse().unwrap(), now));
        assert!(!is_old("2024-01-03T10:00:00Z".parse().unwrap(), now));
        assert!(!is_old(Timestamp::UNIX_EPOCH, now));
    }

    #[test]
    fn only_keys_of_a_products_descriptions_have_a_product() {
        assert_eq!(product_of("descriptions/mug/2024-01-01/abc"), "mug".parse().ok());
        assert_eq!(product_of("descriptions/mug/abc"), "mug".parse().ok());
        for foreign in ["descriptions/mug", "descriptions/mug/", "descriptions/", "descriptions/a b/c", "mug/abc"] {
            assert_eq!(product_of(foreign), None, "{foreign}");
        }
    }
}
