//! What is known of serial devices without opening them: an open raises DTR, which resets boards and wakes modems.

pub mod hotplug;
