// Submits the page's form at once. A field may be named "submit" and hide the form's own method, so the
// method is taken from the prototype.
HTMLFormElement.prototype.submit.call(document.getElementById("post"));
