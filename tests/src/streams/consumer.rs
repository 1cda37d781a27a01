//! The functions that the stream is delivered to, each in a Lambda environment of its own.

use aws_sdk_dynamodb::config::SharedHttpClient;
use local::BUCKET;
use notifications::Sender;
use runtime::Clock;
use serde_json::Value;
use stream::{Answer, Batch, DeadLetters, Mapping};
use table::{Bucket, Endpoints, Place, Table, TableConfig, TableNames, Timeouts};

use super::{
    mailer::PostOffice,
    wire::{Planted, PlantedHttp},
};
use crate::faults::{
    plan::Plan,
    wire::{EarlierAnswers, FaultyHttp},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    Notifications,
    Projections,
}

impl Function {
    pub const ALL: [Function; 2] = [Function::Notifications, Function::Projections];

    pub fn mapping(self) -> Mapping {
        match self {
            Function::Notifications => notifications::MAPPING,
            Function::Projections => projections::MAPPING,
        }
    }
}

/// What the functions of one run share.
#[derive(Clone)]
pub struct Ground {
    pub endpoints: Endpoints,
    pub http: SharedHttpClient,
    pub tables: TableNames,
    /// The bucket of the audit log.
    pub audit: String,
    /// The bucket of the dead letters.
    pub dead_letters: String,
    pub clock: Clock,
    pub office: PostOffice,
    pub planted: Option<Planted>,
    pub earlier: EarlierAnswers,
}

/// A Lambda environment of one function: it dies at the first crash of its plan, with all that runs in it.
#[derive(Clone)]
pub struct Environment {
    pub plan: Plan,
    state: State,
    planted: Option<Planted>,
}

#[derive(Clone)]
enum State {
    Notifications(notifications::State),
    Projections(projections::State),
}

impl Ground {
    /// The table and a bucket beside it, through this client.
    async fn connect(&self, http: SharedHttpClient, bucket: &str) -> (Table, Bucket) {
        let config = TableConfig {
            tables: self.tables.clone(),
            bucket: BUCKET.to_owned(),
            place: Place::Local(self.endpoints.clone()),
            timeouts: Timeouts::LOCAL,
            transport: http.into(),
        };
        let (table, descriptions) = config.connect();
        (table, descriptions.bucket().beside(bucket))
    }

    /// A bucket of the run, without faults.
    pub async fn bucket(&self, name: &str) -> Bucket {
        self.connect(self.http.clone(), name).await.1
    }

    pub async fn environment(&self, function: Function, plan: Plan) -> Environment {
        let faulty = FaultyHttp::new(self.http.clone(), plan.clone()).remembering(self.earlier.clone()).into_shared();
        let http = match &self.planted {
            None => faulty,
            Some(planted) => {
                let (_, audit) = self.connect(faulty.clone(), &self.audit).await;
                SharedHttpClient::new(PlantedHttp::new(faulty, planted.clone(), audit))
            }
        };
        let (table, audit) = self.connect(http, &self.audit).await;
        let dead_letters = DeadLetters::new(audit.beside(&self.dead_letters));
        let state = match function {
            Function::Notifications => {
                let mailer = std::sync::Arc::new(self.office.over(plan.clone()));
                let sender = Sender::parse("The Shop <orders@shop.example>").expect("a sender");
                State::Notifications(notifications::State::new(table, mailer, sender, dead_letters, self.clock.clone()))
            }
            Function::Projections => {
                State::Projections(projections::State::new(table, audit, dead_letters, self.clock.clone()))
            }
        };
        Environment { plan, state, planted: self.planted.clone() }
    }
}

impl Environment {
    /// The function's answer to an event; `None` if the environment died.
    pub async fn invoke(&self, records: &[Value]) -> Option<Answer> {
        let mut event = records.to_vec();
        if let Some(planted) = &self.planted
            && planted.bug.alter_event(&mut event)
        {
            planted.act();
        }
        let mut answer = tokio::select! {
            biased;
            () = self.plan.crashed() => return None,
            answer = self.handle(Batch { records: event }) => answer,
        };
        if let Some(planted) = &self.planted
            && planted.bug.alter_answer(records, &mut answer)
        {
            planted.act();
        }
        Some(answer)
    }

    async fn handle(&self, batch: Batch) -> Answer {
        match &self.state {
            State::Notifications(state) => notifications::handle(state, batch, None).await,
            State::Projections(state) => projections::handle(state, batch, None).await,
        }
    }

    /// Faults that happened in it so far.
    pub fn suffered(&self) -> usize {
        self.plan.injected().values().sum()
    }
}
