//! The functions that consume the table's stream.

use std::{path::Path, sync::Arc};

use futures::FutureExt as _;
use notifications::{MailFolder, MailLimits, MailLinks, Sender};
use runtime::Clock;
use stream::DeadLetters;
use table::{Bucket, Table};

use crate::{
    StackError, Streams, error_chain, function,
    mapping::{Checkpoints, Consumer, Handler, Source, Target},
};

/// The sender of mails on this machine.
const SENDER: &str = "OneTill <orders@onetill.example>";

/// What the functions need.
pub struct Dependencies<'a> {
    pub table: &'a Table,
    pub audit: Bucket,
    pub dead_letters: &'a DeadLetters,
    pub mail: &'a Path,
    /// Limits of mails; `None` is unlimited.
    pub mail_limits: Option<MailLimits>,
    pub mail_links: MailLinks,
    pub clock: &'a Clock,
}

/// Each function with its mapping, once for the stream of each table. Delivery has not started yet.
pub fn consumers(
    with: Dependencies<'_>,
    streams: &Streams,
    dynamodb: &str,
    checkpoints: &Checkpoints,
) -> Result<Vec<Arc<Consumer>>, StackError> {
    let Dependencies { table, audit, dead_letters, mail, mail_limits, mail_links, clock } = with;
    let target = match streams {
        Streams::To(endpoint) => Some(Target::lambda(endpoint).map_err(|e| StackError::start("stream", e))?),
        Streams::Off | Streams::On => None,
    };
    let sender = Sender::parse(SENDER).map_err(|e| StackError::start("mail", e.reason))?;
    let mailer = Arc::new(MailFolder::new(mail));
    let notifications = notifications::State::new(table.clone(), mailer, sender, dead_letters.clone(), clock.clone());
    let notifications = notifications.limited(mail_limits).with_links(mail_links);
    let projections = projections::State::new(table.clone(), audit, dead_letters.clone(), clock.clone());
    let functions: [(_, Handler); 2] = [
        (
            notifications::MAPPING,
            Arc::new(move |batch| {
                let state = notifications.clone();
                let name = notifications::MAPPING.function;
                async move { function::run_as(name, notifications::handle(&state, batch, None)).await }.boxed()
            }),
        ),
        (
            projections::MAPPING,
            Arc::new(move |batch| {
                let state = projections.clone();
                let name = projections::MAPPING.function;
                async move { function::run_as(name, projections::handle(&state, batch, None)).await }.boxed()
            }),
        ),
    ];
    let sources = table.names().tables().into_iter().map(|(name, _)| {
        // The one table's checkpoints are where they were when there could not be others.
        let checkpoints = if name == table.name() { checkpoints.clone() } else { checkpoints.of_table(name) };
        (Source::new(dynamodb, name, table::http_client()), checkpoints)
    });
    let sources: Vec<_> = sources.collect();
    let mut consumers = Vec::new();
    for (mapping, handler) in functions {
        for (source, checkpoints) in &sources {
            let (target, source, checkpoints) = (target.clone(), source.clone(), checkpoints.clone());
            let consumer = Consumer::new(mapping, handler.clone(), target, source, checkpoints, dead_letters.clone());
            consumers.push(Arc::new(consumer.map_err(|e| StackError::start("stream", error_chain(&e)))?));
        }
    }
    Ok(consumers)
}
