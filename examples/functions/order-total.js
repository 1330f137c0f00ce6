async function onTrack(event) {
  const total = event.properties.products.reduce((sum, product) => sum + product.price * product.quantity, 0)
  return { ...event, properties: { ...event.properties, total } }
}
