//! Databases of a known size and what is in them: ids are made of numbers, so that the load knows them.

use rand::Rng;
use uuid::Uuid;

/// Of each person who has any: the same in every tier, so that answers are equally long.
pub(super) const TASKS_PER_PERSON: u64 = 100;
/// In every tier, though in the smaller ones most have no tasks.
pub(super) const PEOPLE: u64 = 100_000;
/// Of the one person whose changes are streamed.
pub(super) const CHANGES: u64 = 100_000;

const PERSON: u128 = 0x0198_c0de_0000_7000_8000_0000_0000_0000;
const TASK: u128 = 0x0198_c0df_0000_7000_8000_0000_0000_0000;

/// A database of a certain size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// In the table of tasks.
    pub(crate) tasks: u64,
}

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) person: Uuid,
    pub(super) task: Uuid,
}

impl Tier {
    /// Who have tasks.
    pub(super) fn owners(self) -> u64 {
        self.tasks / TASKS_PER_PERSON
    }

    /// One of the tasks of one of the people whom caller `caller` of `callers` has for itself.
    pub(super) fn target(self, caller: u64, callers: u64) -> Target {
        let mut random = rand::rng();
        let person = random.random_range(0..self.owners() / callers) * callers + caller;
        let task = person * TASKS_PER_PERSON + random.random_range(0..TASKS_PER_PERSON);
        Target { person: id(PERSON, person), task: id(TASK, task) }
    }

    /// Somebody who has tasks.
    pub(crate) fn person(self, number: u64) -> Uuid {
        id(PERSON, number % self.owners())
    }

    /// One of the tasks of [`person`](Self::person) `number`.
    pub(crate) fn task_of(self, number: u64) -> Uuid {
        let turn = rand::rng().random_range(0..TASKS_PER_PERSON);
        id(TASK, (number % self.owners()) * TASKS_PER_PERSON + turn)
    }

    /// As people write it.
    pub(crate) fn name(self) -> String {
        match self.tasks {
            tasks if tasks.is_multiple_of(1_000_000) => format!("{} million", tasks / 1_000_000),
            tasks if tasks.is_multiple_of(1_000) => format!("{} thousand", tasks / 1_000),
            tasks => tasks.to_string(),
        }
    }
}

/// The one person whose changes are streamed.
pub(super) fn reader() -> Uuid {
    id(PERSON, PEOPLE)
}

fn id(kind: u128, number: u64) -> Uuid {
    Uuid::from_u128(kind | u128::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_do_not_share_people() {
        let tier = Tier { tasks: 10_000 };
        for _ in 0..100 {
            let [one, other] = [0, 1].map(|caller| tier.target(caller, 2).person.as_u128() % 2);
            assert_eq!((one, other), (0, 1));
        }
    }
}
