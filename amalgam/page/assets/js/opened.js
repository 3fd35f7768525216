// No module, so that it runs where modules cannot: in a page that was opened from the disk.
if (location.protocol === "file:") {
  addEventListener("DOMContentLoaded", () => {
    const warning = document.getElementById("warning");
    warning.textContent =
      "This page was opened from the disk, and browsers load networks from a server only. In its folder run " +
      "“python -m http.server”, then open http://localhost:8000 – or put the folder on any static server.";
    warning.hidden = false;
    document.getElementById("status").textContent = "Nothing can run here.";
  });
}
