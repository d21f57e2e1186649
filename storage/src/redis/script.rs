//! The scripts that the cache runs in Redis, where each is one step.
//!
//! A key holds one of three things, told apart by its first byte:
//!
//! * `V<run>:<epoch>:<bytes>`, a value, the run of the server that was told it, and the epoch in which it may be used;
//! * `L<token><run>`, the mark of a reader who is loading the value from the database;
//! * `H<token>`, the mark of a writer who is about to commit.

/// What can be run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Script {
    /// Key; mark, its lifetime in ms, epoch. Answers the value's bytes, or 1 where the mark was set, or nothing.
    Read,
    /// Key; mark, value, its lifetime in ms, epoch. Sets the value where the mark still is. Answers how many were set.
    Fill,
    /// Keys; mark, its lifetime in ms. Marks them.
    Hold,
    /// Keys; mark. Removes what they hold, but for the marks of other writers.
    Release,
}

/// The hashes of the scripts, in the run of the server that they were made for.
#[derive(Clone, Debug)]
pub(super) struct Hashes(Vec<String>);

impl Script {
    pub(super) const ALL: [Self; 4] = [Self::Read, Self::Fill, Self::Hold, Self::Release];

    /// The script's text for one run of the server.
    pub(super) fn text(self, run_id: &str) -> String {
        format!("local run = '{run_id}'{}", self.body())
    }

    const fn body(self) -> &'static str {
        match self {
            Self::Read => {
                "
                local held = redis.call('GET', KEYS[1])
                if held then
                  local kind = string.sub(held, 1, 1)
                  local tag = 'V' .. run .. ':' .. ARGV[3] .. ':'
                  if string.sub(held, 1, #tag) == tag then return string.sub(held, #tag + 1) end
                  if kind ~= 'V' then return false end
                end
                redis.call('SET', KEYS[1], ARGV[1] .. run, 'PX', ARGV[2])
                return 1"
            }
            Self::Fill => {
                "
                if redis.call('GET', KEYS[1]) ~= ARGV[1] .. run then return 0 end
                redis.call('SET', KEYS[1], 'V' .. run .. ':' .. ARGV[4] .. ':' .. ARGV[2], 'PX', ARGV[3])
                return 1"
            }
            Self::Hold => {
                "
                for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
                return #KEYS"
            }
            Self::Release => {
                "
                for _, key in ipairs(KEYS) do
                  local held = redis.call('GET', key)
                  if held and (string.sub(held, 1, 1) ~= 'H' or held == ARGV[1]) then redis.call('DEL', key) end
                end
                return #KEYS"
            }
        }
    }
}

impl Hashes {
    /// In the order of [`Script::ALL`].
    pub(super) fn new(hashes: Vec<String>) -> Self {
        Self(hashes)
    }

    pub(super) fn of(&self, script: Script) -> &str {
        self.0.get(script as usize).map_or("", String::as_str)
    }
}
