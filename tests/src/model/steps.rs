//! The steps of each actor. All follow the saga: ask the provider, read the order, compute the transition with a
//! function of `domain`, write it if the order has not changed since, and read again if it has.

use std::sync::Arc;

use domain::{CancelDecision, Order, OrderState, PaymentState, VoidReason};

use super::{
    Bug, Configuration,
    actors::{Actor, Did, Errand, Question, Role, Step},
    world::{BOUGHT, NOW, World},
};

/// One step. Numbers are indexes into the list of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Does its next step, without a fault.
    Steps(usize),
    /// Charges and is declined. An earlier charge whose answer was lost may still be on its way.
    IsDeclined(usize),
    /// Charges, and the provider asks the customer.
    IsAsked(usize),
    /// The bank does not authenticate the customer.
    FailsChallenge(usize),
    /// Charges or closes and gets no answer: the request may arrive later, at once or never.
    LosesAnswer(usize),
    LostChargeArrives,
    /// The provider asks the customer, who does not get to know.
    LostChargeAsks,
    LostCloseArrives,
    /// Writes, gets no answer, and begins again.
    WritesUnaware(usize),
    Vanishes(usize),
}

impl World {
    /// The actions that are possible next. The first one of each actor is the one without a fault.
    pub fn actions(&self, model: &Configuration, actions: &mut Vec<Action>) {
        for (who, actor) in self.actors.iter().enumerate() {
            if actor.step == Step::Gone || !self.has_happened(actor.role) {
                continue;
            }
            actions.push(Action::Steps(who));
            match actor.step {
                Step::Asks(Question::Charge) => {
                    if self.provider.is_undecided() && !self.provider.asked {
                        actions.push(Action::IsDeclined(who));
                        if model.asks {
                            actions.push(Action::IsAsked(who));
                        }
                    }
                    actions.push(Action::LosesAnswer(who));
                }
                Step::Asks(Question::Authenticate) => actions.push(Action::FailsChallenge(who)),
                // To lose the state of a payment whose customer was asked is the same as to vanish.
                Step::Asks(Question::Look { .. }) if self.store.order.challenges() == 0 => {
                    actions.push(Action::LosesAnswer(who));
                }
                Step::Asks(Question::Close(_)) => actions.push(Action::LosesAnswer(who)),
                // A request whose answer was lost is recognised by its idempotency key, which was written with it.
                Step::Writes(errand, _) if errand != Errand::TakeBack => actions.push(Action::WritesUnaware(who)),
                _ => {}
            }
            // An actor that has not begun need not vanish: never to begin is the same.
            if actor.is_at_work() {
                actions.push(Action::Vanishes(who));
            }
        }
        if self.provider.charge_on_its_way && !self.provider.asked {
            actions.push(Action::LostChargeArrives);
            if model.asks && self.provider.is_undecided() {
                actions.push(Action::LostChargeAsks);
            }
        }
        if self.provider.close_on_its_way {
            actions.push(Action::LostCloseArrives);
        }
    }

    /// A webhook may come before the answer, but not before what it reports has happened.
    fn has_happened(&self, role: Role) -> bool {
        match role {
            Role::Webhook(Did::Capture) => self.provider.captures > 0,
            Role::Webhook(Did::Decline) => self.provider.declined,
            Role::Webhook(Did::Refund) => self.provider.refunds.contains_key(&1),
            Role::Buyer => self.provider.asked,
            _ => true,
        }
    }

    pub fn act(&mut self, model: &Configuration, action: Action) {
        match action {
            Action::LostChargeArrives => self.provider.capture(),
            Action::LostChargeAsks => {
                self.provider.asked = true;
                self.provider.charge_on_its_way = false;
            }
            Action::LostCloseArrives => {
                self.provider.close();
            }
            Action::IsAsked(who) => {
                self.provider.asked = true;
                self.actors[who].step = Step::Reads(Errand::Asked);
            }
            Action::FailsChallenge(who) => {
                self.provider.asked = false;
                self.provider.declined = true;
                self.actors[who].step = Step::Gone;
            }
            Action::Steps(who) => {
                let step = std::mem::replace(&mut self.actors[who].step, Step::Gone);
                let role = self.actors[who].role;
                self.actors[who].step = match step {
                    Step::Asks(question) => self.answer(model, role, question),
                    Step::Reads(errand) => self.read(model, role, errand),
                    Step::Writes(errand, order) => match self.write(model, errand, &order) {
                        true => self.wrote(role, errand),
                        false => Step::Reads(errand),
                    },
                    Step::Gone => Step::Gone,
                };
            }
            Action::IsDeclined(who) => {
                self.provider.declined = true;
                self.actors[who].step = declined(model);
            }
            Action::LosesAnswer(who) => {
                let charges = self.actors[who].step == Step::Asks(Question::Charge);
                match self.actors[who].step {
                    // Nothing is sent that could arrive later.
                    Step::Asks(Question::Look { .. }) if self.actors[who].role != Role::Retry => {
                        self.actors[who].step = Step::Gone;
                        return;
                    }
                    Step::Asks(Question::Look { .. }) => {}
                    _ => self.provider.loses(charges),
                }
                self.actors[who].step = Step::Reads(match charges && model.has(Bug::LostIsDeclined) {
                    true => Errand::Declined,
                    false => Errand::OutcomeUnknown,
                });
            }
            Action::WritesUnaware(who) => {
                if let Step::Writes(errand, order) = self.actors[who].step.clone() {
                    self.write(model, errand, &order);
                    self.actors[who].step = Step::Reads(errand);
                }
            }
            Action::Vanishes(who) => self.actors[who].step = Step::Gone,
        }
    }

    /// The provider does what it is asked. To lose its answer about a refund is the same as to vanish.
    fn answer(&mut self, model: &Configuration, role: Role, question: Question) -> Step {
        Step::Reads(match question {
            Question::Look { .. } if self.provider.captures > 0 => Errand::Paid,
            Question::Look { .. } if self.provider.asked => self.asked(model),
            Question::Look { .. } if self.provider.closed => Errand::Declined,
            Question::Look { was_asked: true, enough: true } => return declined(model),
            Question::Look { was_asked: true, enough: false } => Errand::ChallengeFailed,
            Question::Look { was_asked: false, .. } => {
                let pays = matches!(role, Role::Retry | Role::AnotherCard);
                return if pays { Step::Asks(Question::Charge) } else { Step::Gone };
            }
            Question::Authenticate => {
                self.provider.capture();
                return Step::Gone;
            }
            Question::Charge if self.provider.asked => Errand::Asked,
            Question::Close(errand) if model.has(Bug::ReleasesWhileAsked) && self.provider.asked => errand,
            Question::Charge if self.provider.charge() => Errand::Paid,
            Question::Charge => return declined(model),
            Question::Close(errand) if self.provider.close() => errand,
            Question::Close(_) => Errand::Paid,
            Question::Refund { number, .. } if model.has(Bug::BelievesRefunds) => Errand::RefundPaid(number),
            Question::Refund { number, amount } => match self.provider.refund(number, amount, self.taken()) {
                true => Errand::RefundPaid(number),
                false => Errand::RefundRefused(number),
            },
        })
    }

    /// The customer is asked, and the shop looks.
    fn asked(&mut self, model: &Configuration) -> Errand {
        if model.has(Bug::BelievesTheStorefront) {
            return Errand::Paid;
        }
        self.provider.asked_in_vain |= model.has(Bug::ConfirmsTwice) || model.has(Bug::RefreshCharges);
        if model.has(Bug::RefreshCharges) {
            self.provider.capture();
            return Errand::Paid;
        }
        Errand::Asked
    }

    fn read(&mut self, model: &Configuration, role: Role, errand: Errand) -> Step {
        let order = Arc::clone(&self.store.order);
        if errand.moves(&order, model).is_some() {
            return Step::Writes(errand, order);
        }
        match (role, errand) {
            // A retry looks first. Where no customer is asked, looking and then charging is the same as charging, at every
            // moment and with every answer, so the look is left out.
            (Role::Retry, Errand::Look) if order.state.awaits_payment() && !model.asks => Step::Asks(Question::Charge),
            (Role::Retry | Role::AnotherCard | Role::Refresh, Errand::Look) if order.state.awaits_payment() => {
                look(&order)
            }
            // The event may be late, and another question open.
            (Role::Webhook(Did::Decline), Errand::Look) if order.payment.state == PaymentState::ActionRequired => {
                look(&order)
            }
            (Role::Sweeper, Errand::Look) if order.due_at.is_some() => match owed(&order) {
                Some(_) if model.has(Bug::LeavesRefunds) => Step::Gone,
                Some(refund) => Step::Asks(refund),
                None if model.has(Bug::ReleasesUnasked) => Step::Reads(Errand::Void(VoidReason::Expired)),
                None => Step::Asks(Question::Close(Errand::Void(VoidReason::Expired))),
            },
            // A declined attempt leads to a close only if no request waits for an answer any more.
            (Role::Webhook(Did::Decline), Errand::Look) if order.state == OrderState::PaymentUnknown => declined(model),
            (Role::Customer, Errand::Cancel) => match order.cancel(NOW) {
                Ok(CancelDecision::AskProvider) => {
                    Step::Asks(Question::Close(Errand::Void(VoidReason::CancelledByCustomer)))
                }
                Ok(CancelDecision::Already) if model.has(Bug::RestocksEveryCancel) => {
                    self.store.restock(BOUGHT);
                    Step::Gone
                }
                _ => Step::Gone,
            },
            _ => self.done(role, errand),
        }
    }

    fn write(&mut self, model: &Configuration, errand: Errand, read: &Order) -> bool {
        let Some(moved) = errand.moves(read, model) else { return true };
        let gives_up = !moved.restock.is_empty() && moved.order.payment.state != PaymentState::Captured;
        let written = self.store.write(read, moved, !model.has(Bug::WritesBlindly));
        self.released_unasked |= written && gives_up && !self.provider.closed;
        written
    }

    fn wrote(&mut self, role: Role, errand: Errand) -> Step {
        match errand {
            // The actor that requested a refund pays it at once; the sweeper pays what is left.
            Errand::Cancel | Errand::TakeBack => owed(&self.store.order).map_or(Step::Gone, Step::Asks),
            _ => self.done(role, errand),
        }
    }

    /// The errand is done, whether or not there was anything to write.
    fn done(&mut self, role: Role, errand: Errand) -> Step {
        self.capture_applied |= errand == Errand::Paid;
        match (role, errand) {
            (Role::Webhook(Did::Capture), _) => {
                self.provider.acknowledged = true;
                Step::Gone
            }
            (Role::AnotherCard, Errand::ChallengeFailed) => Step::Asks(Question::Charge),
            // The customer's money was taken after all: now the order can be cancelled.
            (Role::Customer, Errand::Paid) => Step::Reads(Errand::Cancel),
            _ => Step::Gone,
        }
    }

    /// All actors vanish, and the sweeper runs without faults: this is how the order ends. The webhook is needed only
    /// if the provider broke its word, because nothing else knows of that payment.
    pub fn heal(&self, model: &Configuration) -> World {
        let mut world = self.clone();
        world.sweep(model);
        if world.provider.breaks_its_word && world.provider.captures > 0 && !world.provider.acknowledged {
            world.run(model, Role::Webhook(Did::Capture));
        }
        world.sweep(model);
        world
    }

    /// Sweeps until nothing is due. An order that is due after its settlement and every refund would be due for ever.
    fn sweep(&mut self, model: &Configuration) {
        for _ in 0..5 {
            if self.store.order.due_at.is_some() {
                self.run(model, Role::Sweeper);
            }
        }
    }

    fn run(&mut self, model: &Configuration, role: Role) {
        self.actors = vec![Actor::new(role)];
        while self.actors[0].step != Step::Gone {
            self.act(model, Action::Steps(0));
        }
    }

    /// Describes an action.
    pub fn describe(&self, action: Action) -> String {
        let (who, then) = match action {
            Action::LostChargeArrives => return "the lost charge arrives".to_owned(),
            Action::LostCloseArrives => return "the lost closing arrives".to_owned(),
            Action::LostChargeAsks => return "the lost charge arrives, and the provider asks the customer".to_owned(),
            Action::Vanishes(who) => return format!("{:?} {who} vanishes", self.actors[who].role),
            Action::Steps(who) => (who, ""),
            Action::IsDeclined(who) => (who, " and is declined"),
            Action::IsAsked(who) => (who, ", and the provider asks the customer"),
            Action::FailsChallenge(who) => (who, " and is not authenticated"),
            Action::LosesAnswer(who) | Action::WritesUnaware(who) => (who, " and loses the answer"),
        };
        let Actor { role, step } = &self.actors[who];
        let step = match step {
            Step::Asks(question) => format!("asks {question:?}"),
            Step::Reads(errand) => format!("reads for {errand:?}"),
            Step::Writes(errand, _) => format!("writes {errand:?}"),
            Step::Gone => "is gone".to_owned(),
        };
        format!("{role:?} {who} {step}{then}")
    }
}

/// The step after a decline: close, so that nothing is taken after the hold is released.
fn declined(model: &Configuration) -> Step {
    match model.has(Bug::ReleasesOnDecline) {
        true => Step::Reads(Errand::Declined),
        false => Step::Asks(Question::Close(Errand::Declined)),
    }
}

fn look(order: &Order) -> Step {
    let was_asked = order.payment.state == PaymentState::ActionRequired;
    Step::Asks(Question::Look { was_asked, enough: order.was_challenged_enough() })
}

fn owed(order: &Order) -> Option<Question> {
    let refund = order.refund_owed()?;
    Some(Question::Refund { number: refund.number, amount: refund.amount.amount_minor() })
}
