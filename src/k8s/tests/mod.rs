mod calls;
mod objects;
mod policies;
