//! `ganger add` and `ganger edit`: what a task asks for, as flags.

pub(crate) mod add {
    //! Adding one task, and its test.

    use std::time::Duration;

    use domain::event::Actor;
    use domain::id::{Capability, TaskId, WorkerName};
    use domain::task::{After, Kind, NewTask, Priority, Spec};
    use engine::error::{Error, Result};
    use engine::files;
    use engine::orchestrator::{Act, Answer};

    use crate::cli::values;
    use crate::context::Context;
    use crate::exit;

    /// Add a task and print its id.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        /// What is to be done, in one line
        title: String,
        /// More about it, in any length
        #[arg(long, value_name = "T")]
        description: Option<String>,
        /// What it is for: feature, test or fix
        #[arg(long, value_name = "K", value_parser = values::kind)]
        kind: Option<Kind>,
        /// How urgent it is: low, med or high
        #[arg(long, value_name = "P", value_parser = values::priority)]
        priority: Option<Priority>,
        /// What must be COMPLETED first
        #[arg(long, value_name = "T-001,…", value_delimiter = ',', value_parser = values::task_ids)]
        after: Vec<TaskId>,
        /// What its worker must be able to do
        #[arg(long, value_name = "CAP,…", value_delimiter = ',')]
        needs: Vec<Capability>,
        /// The worker that it waits for
        #[arg(long, value_name = "W")]
        assign: Option<WorkerName>,
        /// The agent role to load: a name in the agents library, auto or none
        #[arg(long, value_name = "ROLE")]
        agent: Option<String>,
        /// A file with instructions, below the project's folder
        #[arg(long, value_name = "FILE")]
        instructions: Option<String>,
        /// A file to read first, below the project's folder (repeatable)
        #[arg(long, value_name = "FILE")]
        context: Vec<String>,
        /// What it starts from (repeatable)
        #[arg(long, value_name = "T")]
        input: Vec<String>,
        /// What it leaves behind (repeatable)
        #[arg(long, value_name = "T")]
        output: Vec<String>,
        /// What must be true when it is done (repeatable)
        #[arg(long, value_name = "T")]
        accept: Vec<String>,
        /// The command that does it, where no agent is needed
        #[arg(long, value_name = "CMD")]
        run: Option<String>,
        /// The command that must succeed before it counts as done
        #[arg(long, value_name = "CMD")]
        check: Option<String>,
        /// The command of its test, which becomes a task of its own
        #[arg(long, value_name = "CMD")]
        test: Option<String>,
        /// The command that mends it when its test fails
        #[arg(long, value_name = "CMD")]
        fix: Option<String>,
        /// How long an attempt may take, from the claim: 15m, 2h
        #[arg(long, value_name = "D", value_parser = values::duration)]
        timeout: Option<Duration>,
        /// How often it may fail
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        attempts: Option<u32>,
        /// How long it should take
        #[arg(long, value_name = "D", value_parser = values::duration)]
        estimate: Option<Duration>,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let (project, door) = context.open()?;
        for path in args.context.iter().chain(&args.instructions) {
            files::contained(project.root(), path)?;
        }
        if args.timeout.is_some_and(|span| span.is_zero()) {
            return Err(Error::usage("bad_timeout", "a timeout must be longer than 0s"));
        }
        context.warn_missing(&project, args.context.iter().chain(&args.instructions));
        let after = args.after.clone();
        let config = project.config();
        let kind = args.kind.unwrap_or(Kind::Feature);
        let new = NewTask {
            spec: Spec {
                title: values::title("title", &args.title)?,
                description: values::long("description", &args.description.unwrap_or_default())?,
                agent: args.agent.map(|role| values::role(&role)).transpose()?.flatten(),
                assignee: args.assign,
                needs: values::sorted(args.needs),
                instructions: args.instructions,
                context: args.context,
                inputs: values::all_long("input", args.input)?,
                outputs: values::all_long("output", args.output)?,
                accept: values::all_long("accept", args.accept)?,
                run: values::maybe_long("run command", args.run)?,
                check: values::maybe_long("check", args.check)?,
                test: values::maybe_long("test", args.test)?,
                fix: values::maybe_long("fix", args.fix)?,
                estimate: args.estimate,
            },
            kind,
            phase: 1,
            priority: args.priority.unwrap_or(Priority::Med),
            timeout: args.timeout.map_or_else(|| config.span("timeout"), Ok)?,
            attempts_max: args.attempts.map_or_else(|| config.number("attempts").map(|n| u32::try_from(n).unwrap_or(3).max(1)), Ok)?,
            after: args.after.into_iter().map(After::Task).collect(),
            tests: None,
        };
        let mut tasks = Vec::with_capacity(2);
        let test = (kind == Kind::Feature).then(|| new.spec.test.clone()).flatten();
        if let Some(test) = test {
            let spec = Spec { title: domain::plan::test_title(project.language(), &new.spec.title), run: Some(test), ..Spec::default() };
            let test = NewTask { spec, kind: Kind::Test, after: vec![After::Index(0)], tests: Some(After::Index(0)), ..new.clone() };
            tasks.push(new);
            tasks.push(test);
        } else {
            tasks.push(new);
        }
        match context.apply(&door, Actor::Human, Act::Add { tasks, plan: None })? {
            Answer::Added { first, count, .. } => {
                values::warn_ended(context, &door, first, &after)?;
                if context.json {
                    let test = (count > 1).then(|| TaskId(first.0 + 1).to_string());
                    context.printer.json(&serde_json::json!({ "id": first.to_string(), "test": test }))?;
                } else {
                    context.printer.line(&first.to_string());
                }
                Ok(exit::DONE)
            }
            other => Err(Error::bug(format!("adding a task was answered with {other:?}"))),
        }
    }
}

pub(crate) mod edit {
    //! Changing one task.

    use std::time::Duration;

    use domain::event::Actor;
    use domain::id::{Capability, TaskId};
    use domain::task::Priority;
    use engine::error::{Error, Result};
    use engine::files;
    use engine::orchestrator::{Act, Patch};

    use crate::cli::{manage, values};
    use crate::context::Context;

    /// Change what a task asks for. What is not given stays; an empty command takes it away.
    #[derive(Debug, clap::Args)]
    pub(crate) struct Args {
        /// The task
        #[arg(value_name = "ID")]
        id: TaskId,
        /// What is to be done, in one line
        #[arg(long, value_name = "T")]
        title: Option<String>,
        /// More about it
        #[arg(long, value_name = "T")]
        description: Option<String>,
        /// How urgent it is: low, med or high
        #[arg(long, value_name = "P", value_parser = values::priority)]
        priority: Option<Priority>,
        /// Further tasks that must be COMPLETED first
        #[arg(long, value_name = "T-001,…", value_delimiter = ',', value_parser = values::task_ids)]
        after: Vec<TaskId>,
        /// What its worker must be able to do (replaces what was asked)
        #[arg(long, value_name = "CAP,…", value_delimiter = ',')]
        needs: Option<Vec<Capability>>,
        /// The agent role to load
        #[arg(long, value_name = "ROLE")]
        agent: Option<String>,
        /// A file with instructions
        #[arg(long, value_name = "FILE")]
        instructions: Option<String>,
        /// Files to read first (replaces what was named)
        #[arg(long, value_name = "FILE")]
        context: Option<Vec<String>>,
        /// What it starts from (replaces)
        #[arg(long, value_name = "T")]
        input: Option<Vec<String>>,
        /// What it leaves behind (replaces)
        #[arg(long, value_name = "T")]
        output: Option<Vec<String>>,
        /// What must be true when it is done (replaces)
        #[arg(long, value_name = "T")]
        accept: Option<Vec<String>>,
        /// The command that does it
        #[arg(long, value_name = "CMD")]
        run: Option<String>,
        /// The command that must succeed before it counts as done
        #[arg(long, value_name = "CMD")]
        check: Option<String>,
        /// The command that mends it when its test fails
        #[arg(long, value_name = "CMD")]
        fix: Option<String>,
        /// How long an attempt may take
        #[arg(long, value_name = "D", value_parser = values::duration)]
        timeout: Option<Duration>,
        /// How often it may fail
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
        attempts: Option<u32>,
        /// How long it should take
        #[arg(long, value_name = "D", value_parser = values::duration)]
        estimate: Option<Duration>,
    }

    pub(crate) fn run(args: Args, context: &mut Context) -> Result<u8> {
        let (project, door) = context.open()?;
        for path in args.context.iter().flatten().chain(&args.instructions).filter(|path| !path.is_empty()) {
            files::contained(project.root(), path)?;
        }
        if args.timeout.is_some_and(|span| span.is_zero()) {
            return Err(Error::usage("bad_timeout", "a timeout must be longer than 0s"));
        }
        context.warn_missing(&project, args.context.iter().flatten().chain(&args.instructions));
        let after = args.after.clone();
        let all = |field: &str, texts: Option<Vec<String>>| texts.map(|texts| values::all_long(field, texts)).transpose();
        let patch = Patch {
            title: args.title.map(|text| values::title("title", &text)).transpose()?,
            description: values::maybe_long("description", args.description)?,
            priority: args.priority,
            assignee: None,
            agent: args.agent.map(|role| values::role(&role)).transpose()?,
            needs: args.needs.map(values::sorted),
            instructions: args.instructions,
            context: args.context,
            inputs: all("input", args.input)?,
            outputs: all("output", args.output)?,
            accept: all("accept", args.accept)?,
            run: values::maybe_long("run command", args.run)?,
            check: values::maybe_long("check", args.check)?,
            test: None,
            fix: values::maybe_long("fix", args.fix)?,
            timeout: args.timeout,
            attempts_max: args.attempts,
            estimate: args.estimate,
            after: args.after,
        };
        let answer = context.apply(&door, Actor::Human, Act::Edit { task: args.id, patch: Box::new(patch) })?;
        values::warn_ended(context, &door, args.id, &after)?;
        manage::tell(context, &door, args.id, &answer)
    }
}
