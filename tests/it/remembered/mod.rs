//! What seldom changes is not read again for each request, and what has changed is not remembered.

mod actors;
mod terms;
