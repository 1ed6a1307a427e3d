"""The revisions. What was released is never changed; a change is a new revision."""
