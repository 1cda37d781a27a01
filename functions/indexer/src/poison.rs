//! Products that cannot be indexed: each is a dead letter, with the error, until an operator replays it.

use domain::Timestamp;
use serde_json::json;
use stream::{Answer, Batch, Condition, DeadLetter};
use table::{error_chain, keys, product_of};

use crate::{RunError, State, documents::Poison};

/// Writes the dead letter of a product. It has the form of those of stream records, so that the same commands list and
/// replay it.
pub async fn give_up(state: &State, poison: &Poison, now: Timestamp) -> Result<(), RunError> {
    tracing::error!(product = %poison.id, error = poison.reason, "a product cannot be indexed; it is a dead letter");
    let keys::Key { pk, sk } = keys::product(&poison.id);
    let record = json!({
        "eventID": poison.id.as_str(),
        "eventSource": "onetill:indexer",
        "dynamodb": { "Keys": { "PK": { "S": pk }, "SK": { "S": sk } }, "SequenceNumber": now.as_millisecond().to_string() },
    });
    let dead_letter = DeadLetter::new(&state.name, &[record], Condition::Unprocessable, 1, now).because(&poison.reason);
    state.dead_letters.put(&dead_letter).await?;
    Ok(())
}

/// Replays dead letters: the products are noted as changed, and the next run indexes them.
pub async fn replay(state: &State, batch: &Batch) -> Answer {
    let key = |record: &serde_json::Value| {
        let part = |name: &str| record.pointer(&format!("/dynamodb/Keys/{name}/S"))?.as_str().map(str::to_owned);
        Some(keys::Key { pk: part("PK")?, sk: part("SK")? })
    };
    for record in &batch.records {
        let Some(id) = key(record).as_ref().and_then(product_of) else {
            tracing::error!("a dead letter names no product");
            continue;
        };
        if let Err(error) = state.table.search_change_note(&id, state.clock.uuid_v7(), state.clock.now()).await {
            tracing::warn!(product = %id, error = error_chain(&error), "a product could not be noted");
            return batch.again();
        }
    }
    Answer::default()
}
