//! A conversation with an sshd: it runs by itself, asks when it must, and waits a bounded time for answers.

use fastx_core::names::LoginName;
use fastx_core::secret::Secret;
use fastx_core::wire::problem::Problem;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::client::{self, Finished, Tools};
use super::{CONVERSATION, Target};

/// What is to be done.
#[derive(Debug)]
pub struct Order {
    /// The sshd.
    pub target: Target,
    /// Who somebody claims to be.
    pub login: LoginName,
    /// A password that was typed already; it answers the first question for one.
    pub password: Secret,
    /// Command line that is run as the user once the host knows who it is.
    pub command: String,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What is asked.
    pub text: String,
    /// Whether the answer may be seen.
    pub echo: bool,
}

/// Questions that are asked together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// A few words.
    pub title: String,
    /// What the host says about it.
    pub instruction: String,
    /// The questions.
    pub prompts: Vec<Prompt>,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// The host asks.
    Ask(Round),
    /// The host knows who it is, and the command has ended.
    Done(Finished),
}

/// The side of the conversation that speaks with the user.
#[derive(Debug)]
pub(super) struct Asker {
    events: mpsc::Sender<Result<Next, Problem>>,
    answers: mpsc::Receiver<Vec<Secret>>,
}

impl Asker {
    /// Asks and waits. That nobody is there to answer any more is an end, too.
    pub(super) async fn ask(&mut self, round: Round) -> Result<Vec<Secret>, Problem> {
        let wanted = round.prompts.len();
        let _gone = self.events.send(Ok(Next::Ask(round))).await;
        let answers = self.answers.recv().await.ok_or_else(over)?;
        if answers.len() == wanted {
            Ok(answers)
        } else {
            Err(Problem::bad_request(format!(
                "The question has {wanted} parts, and the answer {}.",
                answers.len()
            )))
        }
    }
}

/// A conversation; dropping it ends it and its connection.
#[derive(Debug)]
pub struct Dialogue {
    events: mpsc::Receiver<Result<Next, Problem>>,
    answers: mpsc::Sender<Vec<Secret>>,
    until: Instant,
    _work: AbortOnDropHandle<()>,
}

impl Dialogue {
    /// Begins one.
    pub fn begin(tools: Tools, order: Order) -> Self {
        let until = Instant::now() + CONVERSATION;
        let (event_sender, events) = mpsc::channel(1);
        let (answers, answer_receiver) = mpsc::channel(1);
        let mut asker = Asker {
            events: event_sender.clone(),
            answers: answer_receiver,
        };
        let work = tokio::spawn(async move {
            let end = timeout_at(until, client::run(&tools, order, &mut asker))
                .await
                .unwrap_or_else(|_| Err(over()));
            let _gone = event_sender.send(end.map(Next::Done)).await;
        });
        Self {
            events,
            answers,
            until,
            _work: AbortOnDropHandle::new(work),
        }
    }

    /// Waits for the next question, or for the end.
    pub async fn next(&mut self) -> Result<Next, Problem> {
        match timeout_at(self.until, self.events.recv()).await {
            Ok(Some(event)) => event,
            Ok(None) | Err(_) => Err(over()),
        }
    }

    /// Answers the last question and waits for what follows.
    pub async fn answer(&mut self, answers: Vec<Secret>) -> Result<Next, Problem> {
        self.answers.send(answers).await.map_err(|_| over())?;
        self.next().await
    }

    /// When it ends at the latest.
    pub fn until(&self) -> Instant {
        self.until
    }
}

/// The conversation is not there any more.
pub(crate) fn over() -> Problem {
    Problem::new(410, "conversation-over", "It took too long")
        .detail("The conversation is over: it was answered already, or not in time.")
        .action("Sign in again.")
}
