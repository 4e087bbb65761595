mod calls;
mod objects;
