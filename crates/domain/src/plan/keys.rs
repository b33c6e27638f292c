//! The keys of a plan, of its defaults and of a task: one table that the parsers, the hints, the schema's test and the manual's test share.

use crate::event::words;

words! {
    /// The keys at the top of a plan.
    PlanKey {
        /// One line.
        Title = "title",
        /// What it is all for.
        Goal = "goal",
        /// Where tasks work.
        Isolation = "isolation",
        /// What happens to a blocked task.
        OnBlocked = "on_blocked",
        /// Who may have a task when the right worker does not come.
        Fallback = "fallback",
        /// What holds for each task that does not say otherwise.
        Defaults = "defaults",
        /// The tasks.
        Task = "task",
    }
}

words! {
    /// The keys of a task.
    TaskKey {
        /// Its name within the plan.
        Id = "id",
        /// One line.
        Title = "title",
        /// Any length.
        Description = "description",
        /// What it is for.
        Kind = "kind",
        /// Its phase.
        Phase = "phase",
        /// How urgent it is.
        Priority = "priority",
        /// The tasks that must be done before.
        After = "after",
        /// What its worker must be able to do.
        Needs = "needs",
        /// The worker that it waits for.
        Assign = "assign",
        /// The agent role.
        Agent = "agent",
        /// A file with instructions.
        Instructions = "instructions",
        /// Files to read first.
        Context = "context",
        /// What it starts from.
        Inputs = "inputs",
        /// What it leaves behind.
        Outputs = "outputs",
        /// What must be true when it is done.
        Accept = "accept",
        /// Its command.
        Run = "run",
        /// The command that gates COMPLETED.
        Check = "check",
        /// The command of its test task.
        Test = "test",
        /// The command that mends it.
        Fix = "fix",
        /// How long an attempt may take.
        Timeout = "timeout",
        /// How often it may fail.
        Attempts = "attempts",
        /// How long it is thought to take.
        Estimate = "estimate",
        /// Whether it gets a test task.
        Tests = "tests",
    }
}

impl TaskKey {
    /// Whether `[defaults]` takes it: all but what each task has of its own.
    #[must_use]
    pub fn is_default(self) -> bool {
        !matches!(self, Self::Id | Self::Title)
    }

    /// Whether it takes several values.
    #[must_use]
    pub fn is_list(self) -> bool {
        self.is_words() || self.is_lines()
    }

    /// Whether its values are single words or paths, which Markdown separates by commas.
    #[must_use]
    pub fn is_words(self) -> bool {
        matches!(self, Self::After | Self::Needs | Self::Context)
    }

    /// Whether its values are whole sentences, which Markdown gives line by line.
    #[must_use]
    pub fn is_lines(self) -> bool {
        matches!(self, Self::Inputs | Self::Outputs | Self::Accept)
    }

    /// Whether it takes a whole number.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Phase | Self::Attempts)
    }
}
